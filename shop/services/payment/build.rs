//! A new migration is a new build: the compiler can't see files that a macro lists.
fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
