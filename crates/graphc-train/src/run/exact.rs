//! Numbers in JSON, bit for bit: as text, which has NaN and infinities too.

use serde::{Deserialize, Deserializer, Serializer};

pub(crate) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&value.to_string())
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| serde::de::Error::custom("expected a number in quotation marks"))
}

/// The same for what may be absent.
pub(crate) mod option {
    use super::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => super::serialize(value, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        let parse =
            |text: String| text.parse().map_err(|_| serde::de::Error::custom("expected a number in quotation marks"));
        text.map(parse).transpose()
    }
}

/// The same for numbers with names.
pub(crate) mod named {
    use super::{Deserialize, Deserializer, Serializer};
    use serde::Serialize;

    pub(crate) fn serialize<S: Serializer>(values: &[(String, f64)], serializer: S) -> Result<S::Ok, S::Error> {
        let texts: Vec<(&str, String)> =
            values.iter().map(|(name, value)| (name.as_str(), value.to_string())).collect();
        texts.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, f64)>, D::Error> {
        let parse = |(name, text): (String, String)| match text.parse() {
            Ok(value) => Ok((name, value)),
            Err(_) => Err(serde::de::Error::custom("expected a number in quotation marks")),
        };
        Vec::<(String, String)>::deserialize(deserializer)?.into_iter().map(parse).collect()
    }
}
