//! Puts the rooms into the path; the only file that knows them all.
