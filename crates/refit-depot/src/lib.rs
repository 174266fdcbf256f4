//! Artifacts, and the permission to have them.
