//! Container registries: what an image's tag points at.

mod ecr;

pub use ecr::{EcrImage, ImageFacts, RegistryError};
