//! Compiles our own protocols in pure Rust: no `protoc`, no network.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let files = protox::Compiler::new(["proto"])?
        .include_imports(true)
        .include_source_info(true)
        .open_file("countersign/v1/decision.proto")?
        .file_descriptor_set();
    // Absent parts are left out of the JSON form.
    prost_build::Config::new()
        .type_attribute(".", "#[derive(serde::Serialize)]")
        .btree_map(["."])
        .field_attribute(".", "#[serde(skip_serializing_if = \"crate::audit::is_empty\")]")
        .compile_fds(files)?;
    Ok(())
}
