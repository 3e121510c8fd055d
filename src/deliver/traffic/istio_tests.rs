//! Hostile VirtualServices: only ours is touched, and what cannot be told apart is refused.

use super::super::object::list;
use super::super::ours::{SPLIT_ANNOTATION, clearing, look, shifting};
use super::super::testing::{applied, canary, cleared, mirrored, shifted, words};
use super::*;
use proptest::prelude::*;

fn kind(route: Option<&str>) -> Istio {
    let spec = IstioSpec { virtual_service: "vs".into(), route: route.map(Into::into) };
    Istio::new(&spec, &RouterNames::for_test())
}

fn service(http: Value) -> Value {
    json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
        "metadata": {"name": "vs", "namespace": "prod", "resourceVersion": "7"},
        "spec": {"hosts": ["llm.example.com"], "http": http}})
}

fn plain() -> Value {
    service(json!([
        {"name": "docs", "match": [{"uri": {"prefix": "/docs"}}], "redirect": {"uri": "/"}},
        {"match": [{"headers": {"x-canary": {"exact": "1"}}}], "route": [{"destination": {"host": "llm-canary"}}]},
        {"name": "main", "timeout": "30s", "retries": {"attempts": 2},
         "route": [{"destination": {"host": "llm.prod.svc.cluster.local", "subset": "v1", "port": {"number": 80}},
                    "headers": {"request": {"set": {"a": "b"}}}}]},
        {"route": [{"destination": {"host": "other"}}]}]))
}

#[test]
fn only_our_route_is_touched_and_given_back_byte_for_byte() {
    let before = plain();
    let mut now = before.clone();
    for percent in [10, 50, 100, 0, 25] {
        now = shifted(&kind(None), &now, canary(percent));
        for index in [0, 1, 3] {
            let at = format!("/spec/http/{index}");
            assert_eq!(now.pointer(&at).map(Value::to_string), before.pointer(&at).map(Value::to_string));
        }
        let weights: Vec<i64> =
            list(&now, "/spec/http/2/route").iter().filter_map(|one| one.get("weight")?.as_i64()).collect();
        assert_eq!(weights, [100 - i64::from(percent), i64::from(percent)]);
        assert_eq!(text(&now, "/spec/http/2/route/0/destination/subset"), Some("v1"));
        assert_eq!(text(&now, "/spec/http/2/route/1/destination/host"), Some("llm-canary.prod.svc.cluster.local"));
        assert_eq!(now.pointer("/spec/http/2/route/1/destination/subset"), None);
        assert_eq!(now.pointer("/spec/http/2/route/1/destination/port/number"), Some(&json!(80)));
        assert_eq!(text(&now, "/spec/http/2/timeout"), Some("30s"));
    }
    assert_eq!(cleared(&kind(None), &now).to_string(), before.to_string());
}

#[test]
fn a_mirror_of_ours_comes_and_goes() {
    let now = shifted(&kind(Some("main")), &plain(), mirrored(10));
    assert_eq!(now.pointer("/spec/http/2/mirrorPercentage/value"), Some(&json!(10)));
    assert_eq!(text(&now, "/spec/http/2/mirror/host"), Some("llm-canary.prod.svc.cluster.local"));
    let back = shifted(&kind(None), &now, Split::STABLE);
    assert_eq!(back.pointer("/spec/http/2/mirror"), None);
    assert_eq!(cleared(&kind(None), &now).to_string(), plain().to_string());
}

#[test]
fn mirrors_of_others_are_kept() {
    let listed = service(json!([{"route": [{"destination": {"host": "llm"}}],
        "mirrors": [{"destination": {"host": "audit"}, "percentage": {"value": 1.5}}]}]));
    let now = shifted(&kind(None), &listed, mirrored(20));
    assert_eq!(list(&now, "/spec/http/0/mirrors").len(), 2);
    assert_eq!(text(&now, "/spec/http/0/mirrors/0/destination/host"), Some("audit"));
    let now = shifted(&kind(None), &now, canary(10));
    assert_eq!(list(&now, "/spec/http/0/mirrors").len(), 1);
    let single = service(json!([{"route": [{"destination": {"host": "llm"}}], "mirror": {"host": "audit"}}]));
    assert!(words(shifting(&kind(None), &single, mirrored(20))).contains("mirrors to another host already"));
    let now = shifted(&kind(None), &single, canary(20));
    assert_eq!(text(&now, "/spec/http/0/mirror/host"), Some("audit"));
}

#[test]
fn hosts_are_ours_in_every_form_and_in_no_other() {
    let kind = kind(None);
    for host in ["llm", "llm.prod", "llm.prod.svc", "llm.prod.svc.cluster.local", "llm.prod.svc.corp.example"] {
        assert_eq!(kind.whose(host), Whose::Stable, "{host}");
    }
    assert_eq!(kind.whose("llm-canary.prod"), Whose::Canary);
    let others = ["llm.", "llm.staging", "llm2", "llm-old", "llm.prod.svc.", "llm.prod.example.com", "LLM", "", "*"];
    for host in others {
        assert_eq!(kind.whose(host), Whose::Other, "{host}");
    }
}

#[test]
fn what_cannot_be_told_apart_is_refused_by_name() {
    let route = |host: &str| json!({"destination": {"host": host}});
    let weighed = |host: &str, weight: i64| json!({"destination": {"host": host}, "weight": weight});
    let table = [
        (json!([]), None, "there is: none"),
        (json!([{"delegate": {"name": "d"}}, {"redirect": {"uri": "/"}}]), None, "http[0] (a delegate), http[1]"),
        (
            json!([{"name": "a", "route": [route("llm")]}, {"name": "b", "route": [route("llm.prod")]}]),
            None,
            "http[0] `a` (llm), http[1] `b` (llm.prod): name one",
        ),
        (json!([{"name": "a", "route": [route("llm")]}]), Some("b"), "no http route is named `b`"),
        (
            json!([{"name": "a", "route": [route("llm")]}, {"name": "a", "route": [route("llm")]}]),
            Some("a"),
            "more than one http route is named `a`",
        ),
        (json!([{"name": "a", "delegate": {"name": "d"}}]), Some("a"), "a `delegate`"),
        (json!([{"name": "a", "route": [route("elsewhere")]}]), Some("a"), "also leads to `elsewhere`"),
        (json!([{"route": [weighed("llm", 50), weighed("elsewhere", 50)]}]), None, "also leads to `elsewhere`"),
        (
            json!([{"route": [{"destination": {"host": "llm", "subset": "a"}}, {"destination": {"host": "llm", "subset": "b"}}]}]),
            None,
            "more than once",
        ),
        (json!([{"route": [weighed("llm", -5), weighed("llm-canary", 0)]}]), None, "weight of -5"),
        (json!([{"route": [weighed("llm", 0), weighed("llm-canary", 0)]}]), None, "all 0"),
    ];
    for (http, name, expected) in table {
        let found = words(shifting(&kind(name), &service(http.clone()), canary(10)));
        assert!(found.starts_with("plan: ") && found.contains(expected), "{http}: {found}");
    }
    let mut tls = service(json!([]));
    tls["spec"]["tls"] = json!([{"match": [], "route": []}]);
    assert!(words(shifting(&kind(None), &tls, canary(10))).contains("tls and tcp routes are not split"));
}

#[test]
fn a_split_that_we_did_not_make_is_foreign() {
    let weighed = |stable: i64, other: i64| {
        service(json!([{"route": [{"destination": {"host": "llm"}, "weight": stable},
            {"destination": {"host": "llm-canary"}, "weight": other}]}]))
    };
    for (stable, other) in [(90, 10), (90, 20), (0, 100), (9_999, 1)] {
        let found = words(shifting(&kind(None), &weighed(stable, other), canary(10)));
        assert!(found.starts_with("foreign: "), "{found}");
    }
    let missing = service(json!([{"route": [{"destination": {"host": "llm"}, "weight": 1},
        {"destination": {"host": "llm-canary"}}]}]));
    assert_eq!(look(&kind(None), &missing).map(|look| look.split).unwrap(), Split::STABLE);
    let mirror = service(json!([{"route": [{"destination": {"host": "llm"}}], "mirror": {"host": "llm-canary"}}]));
    assert!(words(look(&kind(None), &mirror).map(drop)).starts_with("foreign: "));
}

#[test]
fn an_edit_of_somebody_else_stops_us_and_is_told() {
    let ours = shifted(&kind(None), &plain(), canary(10));
    let mut edited = ours.clone();
    edited["spec"]["http"][2]["route"][0]["weight"] = json!(70);
    edited["spec"]["http"][2]["route"][1]["weight"] = json!(30);
    edited["metadata"]["managedFields"] = json!([{"manager": "argocd", "time": "2026-01-01T00:00:00Z"}]);
    for result in [
        shifting(&kind(None), &edited, canary(50)),
        shifting(&kind(None), &edited, Split::STABLE),
        clearing(&kind(None), &edited),
    ] {
        let found = words(result);
        assert!(found.starts_with("foreign: VirtualService prod/vs: 10 % to canary"), "{found}");
        assert!(found.contains("70, llm-canary.prod.svc.cluster.local 30 (last written by argocd)"), "{found}");
    }
    let mut gone = ours.clone();
    gone["spec"]["http"] = json!([{"route": [{"destination": {"host": "other"}}]}]);
    assert!(words(look(&kind(None), &gone).map(drop)).starts_with("foreign: "));
    let mut broken = ours.clone();
    broken["metadata"]["annotations"][SPLIT_ANNOTATION] = json!("{}");
    assert!(words(look(&kind(None), &broken).map(drop)).contains("cannot be read"));
    // A field of the route that is not about traffic is theirs to change.
    let mut timeout = ours;
    timeout["spec"]["http"][2]["timeout"] = json!("5s");
    let after = applied(&timeout, &shifting(&kind(None), &timeout, canary(50)).unwrap());
    assert_eq!(text(&after, "/spec/http/2/timeout"), Some("5s"));
}

#[test]
fn traffic_that_somebody_brought_back_by_hand_stays_as_they_left_it() {
    let mut edited = shifted(&kind(None), &plain(), canary(50));
    edited["spec"]["http"][2]["route"] = json!([{"destination": {"host": "llm"}}]);
    assert!(words(shifting(&kind(None), &edited, canary(50))).starts_with("foreign: "));
    assert!(shifting(&kind(None), &edited, Split::STABLE).unwrap().is_empty());
    let after = cleared(&kind(None), &edited);
    assert_eq!(after.pointer("/metadata/annotations"), None);
    assert_eq!(after["spec"], edited["spec"]);
}

#[test]
fn other_annotations_survive() {
    let mut object = plain();
    object["metadata"]["annotations"] = json!({"a/b": "c"});
    let now = shifted(&kind(None), &object, canary(10));
    assert_eq!(now["metadata"]["annotations"]["a/b"], json!("c"));
    assert_eq!(cleared(&kind(None), &now).to_string(), object.to_string());
}

proptest! {
    #[test]
    fn weights_always_add_up_to_a_hundred_and_say_what_was_asked(path in prop::collection::vec(0_u8..=100, 1..8)) {
        let mut now = plain();
        for percent in path {
            now = shifted(&kind(None), &now, canary(percent));
            let sum: i64 = list(&now, "/spec/http/2/route").iter().filter_map(|one| one.get("weight")?.as_i64()).sum();
            prop_assert!(sum == 100 || percent == 0);
        }
        prop_assert_eq!(cleared(&kind(None), &now).to_string(), plain().to_string());
    }
}
