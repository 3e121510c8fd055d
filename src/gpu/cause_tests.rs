//! Every cause from what was seen, by table.

use super::*;
