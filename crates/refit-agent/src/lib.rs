//! The device side: a sans-I/O machine, its journal, its installer.
