//! `canary-promote`: brings a model to all users step by step, or brings it back.

pub mod shadow;
