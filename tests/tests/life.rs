//! The life of a pod with a sidecar, on the real cluster: it starts, runs, finishes and stops as it would without one, and what it
//! wrote from its first line to its last is shipped. Native and classic sidecars, every restart policy, volumes of every kind.

mod life {
    pub mod classic;
    pub mod ends;
    pub mod ground;
    pub mod health;
    pub mod last_words;
    pub mod mounts;
    pub mod spill;
    pub mod start;
    pub mod state;
    pub mod stop;
    pub mod users;
    pub mod volume;
}
