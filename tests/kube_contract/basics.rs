//! The rows of discovery, ConfigMaps and server-side apply.

use serde_json::{Value, json};

use super::{APPLY, JSON_PATCH, MERGE, PLAIN, Row, row};

const MAPS: &str = "/api/v1/namespaces/{ns}/configmaps";
const MAP: &str = "/api/v1/namespaces/{ns}/configmaps/c";
const APPLIED: &str = "/api/v1/namespaces/{ns}/configmaps/ssa?fieldManager=one";
const APPLIED_TWO: &str = "/api/v1/namespaces/{ns}/configmaps/ssa?fieldManager=two";
const APPLIED_FORCE: &str = "/api/v1/namespaces/{ns}/configmaps/ssa?fieldManager=two&force=true";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/{ns}/deployments/web";

pub(crate) fn discovery() -> Vec<Row> {
    let get = |path, status, reason, fields: &[(&'static str, Value)]| {
        row(("GET", path, ""), Value::Null, status, reason, fields)
    };
    vec![
        get("/api", 200, "", &[("/versions/0", json!("v1"))]),
        get("/apis/apps", 200, "", &[("/preferredVersion/groupVersion", json!("apps/v1"))]),
        get("/apis/no.such.group/v1", 404, "", &[]),
        get("/apis/apps/v9", 404, "NotFound", &[("/details", json!({}))]),
        get("/apis/apps/v1/namespaces/{ns}/gizmos/x", 404, "NotFound", &[]),
        get("/no/such/path", 404, "", &[]),
        get(
            DEPLOYMENT,
            404,
            "NotFound",
            &[("/details", json!({"name": "web", "group": "apps", "kind": "deployments"}))],
        ),
        get("/apis/apps/v1/namespaces/{ns}/deployments?labelSelector=a%3D%3D%3Db", 400, "BadRequest", &[]),
        get(
            "/api/v1/namespaces/{ns}/events?fieldSelector=foo%3Dbar",
            400,
            "BadRequest",
            &[("/message", json!("field label not supported: foo"))],
        ),
        row(
            ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", PLAIN),
            json!({"spec": {"resourceAttributes": {"namespace": "x", "verb": "get", "resource": "pods"}}}),
            201,
            "",
            &[("/status/allowed", json!(true))],
        ),
    ]
}

pub(crate) fn config_maps() -> Vec<Row> {
    let map = |data: Value| json!({"metadata": {"name": "c"}, "data": data});
    let failed = [
        ("/message", json!("the server rejected our request due to an error in our request")),
        ("/details", json!({})),
    ];
    vec![
        row(
            ("POST", MAPS, PLAIN),
            map(json!({"a": "1"})),
            201,
            "",
            &[("/metadata/name", json!("c")), ("/kind", json!("ConfigMap"))],
        ),
        row(
            ("POST", MAPS, PLAIN),
            map(json!({"a": "1"})),
            409,
            "AlreadyExists",
            &[("/message", json!("configmaps \"c\" already exists"))],
        ),
        row(("PUT", MAP, PLAIN), map(json!({"a": "2"})), 200, "", &[("/data", json!({"a": "2"}))]),
        row(
            ("PUT", MAP, PLAIN),
            json!({"metadata": {"name": "c", "resourceVersion": "1"}}),
            409,
            "Conflict",
            &[("/details/kind", json!("configmaps"))],
        ),
        row(
            ("PUT", MAP, PLAIN),
            json!({"metadata": {"name": "d"}}),
            400,
            "BadRequest",
            &[("/message", json!("the name of the object (d) does not match the name on the URL (c)"))],
        ),
        row(
            ("PUT", MAP, PLAIN),
            json!({"metadata": {"name": "c", "uid": "00000000-0000-0000-0000-000000000000"}}),
            409,
            "Conflict",
            &[],
        ),
        row(("PATCH", MAP, MERGE), json!({"data": {"b": "3", "a": null}}), 200, "", &[("/data", json!({"b": "3"}))]),
        row(
            ("PATCH", MAP, MERGE),
            json!({"data": {"b": "3"}}),
            200,
            "",
            &[("/metadata/resourceVersion", json!("{rv}"))],
        ),
        row(("PATCH", MAP, MERGE), json!({"metadata": {"resourceVersion": "1"}}), 409, "Conflict", &[]),
        row(
            ("PATCH", MAP, MERGE),
            json!({"metadata": {"uid": "00000000-0000-0000-0000-000000000000"}}),
            422,
            "Invalid",
            &[],
        ),
        row(
            ("PATCH", MAP, JSON_PATCH),
            json!([{"op": "test", "path": "/metadata/resourceVersion", "value": "{rv}"}, {"op": "replace", "path": "/data/b", "value": "4"}]),
            200,
            "",
            &[("/data/b", json!("4"))],
        ),
        row(
            ("PATCH", MAP, JSON_PATCH),
            json!([{"op": "test", "path": "/metadata/resourceVersion", "value": "1"}]),
            422,
            "Invalid",
            &failed,
        ),
        row(
            ("PATCH", MAP, JSON_PATCH),
            json!([{"op": "test", "path": "/data/zz", "value": "3"}]),
            422,
            "Invalid",
            &failed,
        ),
        row(("PATCH", MAP, JSON_PATCH), json!([{"op": "test", "path": "/data/zz", "value": null}]), 200, "", &[]),
        row(
            ("PATCH", MAP, JSON_PATCH),
            json!([{"op": "replace", "path": "/data/zz", "value": "3"}]),
            200,
            "",
            &[("/data/zz", json!("3"))],
        ),
        row(
            ("PATCH", MAP, JSON_PATCH),
            json!([{"op": "remove", "path": "/data/zz"}]),
            200,
            "",
            &[("/data", json!({"b": "4"}))],
        ),
        row(("PATCH", MAP, JSON_PATCH), json!([{"op": "remove", "path": "/data/zz"}]), 422, "Invalid", &failed),
        row(
            ("PATCH", MAP, JSON_PATCH),
            json!([{"op": "replace", "path": "/nope/zz", "value": "3"}]),
            422,
            "Invalid",
            &failed,
        ),
        row(
            ("PATCH", MAP, JSON_PATCH),
            json!([{"op": "add", "path": "/nope/zz", "value": "3"}]),
            422,
            "Invalid",
            &failed,
        ),
        row(("PATCH", MAP, JSON_PATCH), json!([{"op": "jump", "path": "/data"}]), 422, "Invalid", &failed),
        row(
            ("PATCH", MAP, PLAIN),
            json!({}),
            415,
            "UnsupportedMediaType",
            &[("/message", json!("415: Unsupported Media Type"))],
        ),
        row(
            ("PATCH", MAP, MERGE),
            json!({"metadata": {"labels": {"l": "not a label!"}}}),
            422,
            "Invalid",
            &[("/details/causes/0/field", json!("metadata.labels"))],
        ),
        row(("DELETE", MAP, PLAIN), json!({"preconditions": {"resourceVersion": "1"}}), 409, "Conflict", &[]),
        row(
            ("DELETE", MAP, PLAIN),
            Value::Null,
            200,
            "",
            &[("/status", json!("Success")), ("/details/name", json!("c"))],
        ),
        row(("DELETE", MAP, PLAIN), Value::Null, 404, "NotFound", &[]),
        row(("PUT", MAP, PLAIN), map(json!({})), 404, "NotFound", &[]),
    ]
}

pub(crate) fn applies() -> Vec<Row> {
    let map = |data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ssa"}, "data": data});
    let upd = "/api/v1/namespaces/{ns}/configmaps/ssa?fieldManager=upd";
    vec![
        row(
            ("PATCH", APPLIED, APPLY),
            map(json!({"k": "1"})),
            201,
            "",
            &[
                ("/metadata/managedFields/0/manager", json!("one")),
                ("/metadata/managedFields/0/fieldsV1", json!({"f:data": {"f:k": {}}})),
            ],
        ),
        row(
            ("PATCH", APPLIED, APPLY),
            map(json!({"k": "1"})),
            200,
            "",
            &[("/metadata/resourceVersion", json!("{rv}"))],
        ),
        row(
            ("PATCH", APPLIED_TWO, APPLY),
            map(json!({"k": "2"})),
            409,
            "Conflict",
            &[
                ("/message", json!("Apply failed with 1 conflict: conflict with \"one\": .data.k")),
                ("/details/causes/0/reason", json!("FieldManagerConflict")),
            ],
        ),
        row(("PATCH", upd, MERGE), json!({"data": {"m": "a", "n": "b"}}), 200, "", &[]),
        row(
            ("PATCH", APPLIED_TWO, APPLY),
            map(json!({"k": "2", "m": "z"})),
            409,
            "Conflict",
            &[(
                "/message",
                json!(
                    "Apply failed with 2 conflicts: conflicts with \"one\":\n- .data.k\nconflicts with \"upd\" using v1:\n- .data.m"
                ),
            )],
        ),
        row(
            ("PATCH", APPLIED_FORCE, APPLY),
            map(json!({"k": "2"})),
            200,
            "",
            &[("/data", json!({"k": "2", "m": "a", "n": "b"}))],
        ),
        row(
            ("PATCH", APPLIED, APPLY),
            map(json!({"k": "1"})),
            409,
            "Conflict",
            &[("/details/causes/0/message", json!("conflict with \"two\""))],
        ),
        row(("PATCH", APPLIED_TWO, APPLY), map(json!({})), 200, "", &[("/data", json!({"m": "a", "n": "b"}))]),
        row(
            ("PATCH", "/api/v1/namespaces/{ns}/configmaps/ssa", APPLY),
            map(json!({})),
            422,
            "Invalid",
            &[("/details/kind", json!("PatchOptions"))],
        ),
        row(("PATCH", APPLIED, APPLY), json!({"data": {"k": "2"}}), 400, "BadRequest", &[]),
        row(
            ("PATCH", APPLIED, APPLY),
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ssa", "resourceVersion": "1"}}),
            409,
            "Conflict",
            &[],
        ),
        row(("DELETE", APPLIED, PLAIN), Value::Null, 200, "", &[]),
    ]
}
