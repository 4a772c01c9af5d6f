use super::*;

#[test]
fn every_name_is_its_own() {
    let of_files = Optimizer::PRESETS.iter().flat_map(|(presets, _)| presets.iter().map(|preset| preset.name));
    assert_eq!(of_files.collect::<Vec<_>>(), Optimizer::NAMES, "the list has the names of the files, in their order");
    for name in Optimizer::NAMES {
        assert_eq!(Optimizer::by_name(name).unwrap().name(), *name);
    }
    assert_eq!(Optimizer::by_name("adamw").unwrap().text_name(), "adam");
    let error = Optimizer::by_name("adma").unwrap_err().to_string();
    assert!(error.starts_with("there is no optimizer `adma`; there are sgd, adam, adamw"), "{error}");
}

#[test]
fn defaults_are_in_range_and_the_first_preset_fixes_no_less_than_the_others() {
    for (presets, settings) in Optimizer::PRESETS {
        for Setting { name, default, range, doc } in *settings {
            assert!(doc.trim().ends_with('.'), "{name}: {doc}");
            match default {
                AttrValue::Float(value) => assert!(range.unwrap().contains(*value), "{name}"),
                value => assert!(range.is_none(), "{name}: {value} is no number"),
            }
        }
        let fixed = presets.iter().flat_map(|preset| preset.fixed);
        assert!(fixed.into_iter().all(|(name, _)| settings.iter().any(|setting| setting.name == *name)));
        // Else `name` would find the first one for all settings.
        assert!(presets.last().unwrap().fixed.is_empty(), "one name has all settings");
    }
}

#[test]
fn settings_are_told_apart_by_name() {
    let adam = Optimizer::adam(0.1);
    assert_eq!(adam.with([]), Ok(adam.clone()));
    let decayed = adam.with([("weight_decay", AttrValue::Float(0.004))]).unwrap();
    assert_eq!((decayed.name(), &decayed), ("adamw", &Optimizer::adamw(0.1)));
    assert_eq!(adam.with([("momentum", AttrValue::Float(0.0))]).unwrap_err().to_string().find("unknown"), Some(0));
    assert!(adam.with([("beta1", AttrValue::Bool(true))]).is_err());
}

#[test]
fn numbers_are_what_they_say() {
    assert_eq!(Optimizer::adam(0.0).check(), Ok(()));
    assert_eq!(Optimizer::adam(1e39).check(), Err("`learning_rate` 1e39 is infinite in f32".into()));
    assert_eq!(Optimizer::adam(f64::NAN).check(), Err("`learning_rate` must be finite, got NaN".into()));
    let adam = |epsilon| Optimizer::from(Adam { epsilon, ..Adam::default() });
    assert_eq!(adam(1e-46).check(), Err("`epsilon` 1e-46 is 0 in f32".into()));
    assert_eq!(adam(1e-40).check(), Err("`epsilon` 1e-40 is subnormal in f32, which counts as 0".into()));
    let sgd = Optimizer::from(Sgd { momentum: 1e-39, ..Sgd::default() });
    assert_eq!(sgd.check(), Err("`momentum` 1e-39 is subnormal in f32, which counts as 0".into()));
}

#[test]
fn states_follow_from_the_rule() {
    let sgd = |momentum| Optimizer::from(Sgd { momentum, ..Sgd::default() });
    assert_eq!(sgd(0.0).states(), [""; 0]);
    assert_eq!(sgd(0.9).states(), ["sgd_velocity"]);
    assert_eq!(Optimizer::adamw(0.1).states(), ["adam_m", "adam_v"]);
}
