//! Laws of keys: equal exactly when the explanation is, deaf to order, alert to every part.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
struct Given(Component, String, Option<RelPath>, Digest, Option<String>);

fn given_items() -> impl Strategy<Value = Vec<Given>> {
    let component = prop_oneof![Just(Component::Params), Just(Component::Files), Just(Component::Sources)];
    let path = proptest::option::of("[a-c]{1,2}".prop_map(|name| RelPath::new(name).unwrap()));
    let item = (component, "[a-c]{0,2}", path, 0_u8..3);
    proptest::collection::vec(item, 0..6).prop_map(|items| {
        let unique: BTreeMap<_, _> = items.into_iter().map(|(c, name, path, byte)| ((c, name, path), byte)).collect();
        unique
            .into_iter()
            .map(|((c, name, path), byte)| Given(c, name, path, Digest([byte; 32]), Some(byte.to_string())))
            .collect()
    })
}

fn feed(items: &[Given], sink: &mut dyn Sink) {
    for Given(component, name, path, digest, shown) in items {
        let part = Part { component: *component, name, path: path.as_ref(), digest: *digest, shown: &|| shown.clone() };
        sink.take(part);
    }
}

fn key(items: &[Given]) -> Key {
    let mut sink = KeySink::default();
    feed(items, &mut sink);
    sink.finish()
}

fn explanation(items: &[Given]) -> Explanation {
    let mut sink = Explanation::default();
    feed(items, &mut sink);
    sink
}

proptest! {
    #[test]
    fn f_30_keys_are_equal_exactly_when_explanations_are(a in given_items(), b in given_items()) {
        prop_assert_eq!(key(&a), explanation(&a).key());
        prop_assert_eq!(key(&a) == key(&b), explanation(&a) == explanation(&b));
        prop_assert_eq!(key(&a) == key(&b), diff(&explanation(&a), &explanation(&b)).is_empty());
    }

    #[test]
    fn a_difference_names_what_is_different(items in given_items(), at in any::<prop::sample::Index>()) {
        prop_assume!(!items.is_empty());
        let at = at.index(items.len());
        let mut other = items.clone();
        other[at].3 = Digest([9; 32]);
        other[at].4 = Some("9".into());
        let changes = diff(&explanation(&items), &explanation(&other));
        prop_assert_eq!(changes.len(), 1);
        prop_assert_eq!(&changes[0].item, &items[at].1);
        prop_assert_eq!(changes[0].old.as_deref(), items[at].4.as_deref());
        prop_assert_eq!(changes[0].new.as_deref(), Some("9"));
    }
}

#[test]
fn changes_read_well() {
    let change = |component, item: &str, path: Option<&str>, old: Option<&str>, new: Option<&str>| {
        Change {
            component,
            item: item.into(),
            path: path.map(Into::into),
            old: old.map(Into::into),
            new: new.map(Into::into),
        }
        .to_string()
    };
    use Component::*;
    assert_eq!(change(Params, "gamma", None, Some("0.002"), Some("0.0001")), "param `gamma`: 0.002 → 0.0001");
    assert_eq!(change(Files, "", Some("a.txt"), None, Some("0123456789ab")), "file a.txt added");
    assert_eq!(change(Sources, "lock serde", None, Some("1.0.1"), Some("1.0.2")), "lock serde: 1.0.1 → 1.0.2");
    assert_eq!(
        change(Sources, "manifest of api", None, Some("0123456789ab"), Some("0123456789ac")),
        "manifest of api changed"
    );
    assert_eq!(change(Sources, "api", Some("src/lib.rs"), Some("x"), None), "source src/lib.rs of api removed");
    assert_eq!(change(Env, "X", None, Some("0123456789ab"), Some("0123456789ac")), "env `X` changed");
    assert_eq!(change(Inputs, "raw", None, Some("a"), Some("b")), "input `raw` changed");
}
