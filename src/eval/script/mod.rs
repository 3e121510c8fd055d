//! JavaScript of other tools' suites, in an embedded engine with an end to time and memory, and without any I/O.
//! Kept out: what the scripts are about (`eval::promptfoo`).
