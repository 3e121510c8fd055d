//! Suites: from files to cases. Under construction.
