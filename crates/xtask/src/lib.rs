//! Chores: layer check, file lengths, OpenAPI.
