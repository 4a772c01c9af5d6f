//! Paths and commands as text: for JSON, and for a shell.

use serde_json::{Value, json};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// A path as a JSON string. One that is no UTF-8 becomes an object with its bytes in hexadecimal, and as text with
/// U+FFFD for what is none.
pub(crate) fn path_json(path: &Path) -> Value {
    match path.to_str() {
        Some(text) => json!(text),
        None => json!({ "lossy": path.to_string_lossy(), "hex": hex(path.as_os_str().as_encoded_bytes()) }),
    }
}

/// The path that [`path_json`] made a JSON value of.
pub(crate) fn json_path(value: &Value) -> Option<PathBuf> {
    if let Some(text) = value.as_str() {
        return Some(text.into());
    }
    let digits = value["hex"].as_str()?;
    let byte = |at: usize| digits.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
    let bytes = (0..digits.len()).step_by(2).map(byte).collect::<Option<Vec<u8>>>()?;
    #[cfg(unix)]
    return {
        use std::os::unix::ffi::OsStringExt;
        Some(OsString::from_vec(bytes).into())
    };
    #[cfg(not(unix))]
    return String::from_utf8(bytes).ok().map(PathBuf::from);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A word as one types it in a POSIX shell.
pub(crate) fn quoted(word: &OsStr) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./+,:@%=".contains(c);
    match word.to_str() {
        Some(text) if !text.is_empty() && !text.starts_with('=') && text.chars().all(is_plain) => text.into(),
        Some(text) if !text.contains(char::is_control) => format!("'{}'", text.replace('\'', r"'\''")),
        // Control characters and bytes that are no text.
        _ => {
            let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\'' && byte != b'\\';
            let octal = |&byte: &u8| if plain(byte) { char::from(byte).into() } else { format!(r"\{byte:03o}") };
            format!("$'{}'", word.as_encoded_bytes().iter().map(octal).collect::<String>())
        }
    }
}

/// The command line that goes on with a run.
pub(crate) fn resuming(args: impl IntoIterator<Item = OsString>, run: &Path) -> String {
    let program = args.into_iter().next().unwrap_or_else(|| "graphc".into());
    format!("{} train --resume {}", quoted(&program), quoted(run.as_os_str()))
}

/// The command line that goes on from weights where a training stopped that has no checkpoint: as it was given, but for
/// what is different now.
pub(crate) fn resumed(args: impl IntoIterator<Item = OsString>, weights: &Path, n_epochs: usize) -> String {
    const CHANGED: [&str; 3] = ["--out", "--init", "--epochs"];
    let is_changed = |arg: &OsStr| CHANGED.iter().any(|name| arg == *name);
    let starts = |arg: &OsStr, name: &str| arg.as_encoded_bytes().starts_with(format!("{name}=").as_bytes());
    let is_changed_with_value = |arg: &OsStr| CHANGED.iter().any(|name| starts(arg, name));
    let (mut words, mut plain, mut args) = (Vec::new(), Vec::new(), args.into_iter());
    while let Some(arg) = args.next() {
        if arg == "--" {
            // Behind it are no options.
            plain = std::iter::once(arg).chain(args).map(|arg| quoted(&arg)).collect();
            break;
        }
        if is_changed(&arg) {
            args.next();
        } else if !is_changed_with_value(&arg) {
            words.push(quoted(&arg));
        }
    }
    words.extend(["--init".into(), quoted(weights.as_os_str()), "--epochs".into(), n_epochs.to_string()]);
    words.extend(plain);
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        for (word, expected) in [
            ("runs/net-1/model.safetensors", "runs/net-1/model.safetensors"),
            ("", "''"),
            ("my net", "'my net'"),
            ("it's $HOME", r"'it'\''s $HOME'"),
            ("~x", "'~x'"),
            ("=x", "'=x'"),
            ("naïve", "'naïve'"),
            ("a\u{1b}[31m'\\", r"$'a\033[31m\047\134'"),
        ] {
            assert_eq!(quoted(word.as_ref()), expected);
        }
    }

    #[cfg(unix)]
    #[test]
    fn bytes_that_are_no_text() {
        use std::os::unix::ffi::OsStrExt;
        let word = OsStr::from_bytes(b"caf\xe9 1.json");
        assert_eq!(quoted(word), r"$'caf\351\0401.json'");
        let path = path_json(Path::new(word));
        assert_eq!(path, json!({ "lossy": "caf\u{fffd} 1.json", "hex": "636166e920312e6a736f6e" }));
        assert_eq!(path_json(Path::new("café.json")), "café.json");
        for path in [Path::new(word), Path::new("café.json")] {
            assert_eq!(json_path(&path_json(path)).as_deref(), Some(path));
        }
        assert_eq!(
            [json!(3), json!({ "hex": "6" }), json!({ "hex": "xx" })].map(|value| json_path(&value)),
            [None, None, None]
        );
    }

    #[test]
    fn what_changes_is_left_out_of_a_command() {
        let resumed = |args: &[&str]| resumed(args.iter().map(OsString::from), Path::new("my runs/w"), 3);
        assert_eq!(resumed(&["graphc", "train", "a.json"]), "graphc train a.json --init 'my runs/w' --epochs 3");
        let args = ["graphc", "train", "--out", "x", "--lr=0.1", "--epochs=9", "a b", "--init", "v", "--json"];
        assert_eq!(resumed(&args), "graphc train --lr=0.1 'a b' --json --init 'my runs/w' --epochs 3");
        let args = ["graphc", "train", "--epochs", "5", "--", "--out"];
        assert_eq!(resumed(&args), "graphc train --init 'my runs/w' --epochs 3 -- --out");
    }
}
