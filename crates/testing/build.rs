//! Compiles what is written in C: a shared library for each file in c/, which src/c.rs names.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let out = env::var("OUT_DIR")?;
    // The same code whatever the profile of the tests is: one of them is measured.
    let compiler = cc::Build::new()
        .opt_level(2)
        .debug(false)
        .pic(true)
        .warnings(true)
        .extra_warnings(true)
        .warnings_into_errors(true)
        .get_compiler();
    println!("cargo::rerun-if-changed=c");
    for source in fs::read_dir("c")? {
        let source = source?.path();
        let name = source.file_stem().unwrap_or_default();
        let library = Path::new(&out).join(name).with_extension("so");
        if !compiler
            .to_command()
            .args(["-shared", "-o"])
            .arg(&library)
            .arg(&source)
            .arg("-ldl")
            .status()?
            .success()
        {
            return Err(format!("cannot compile {}", source.display()).into());
        }
    }
    Ok(())
}
