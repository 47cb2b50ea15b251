//! Compiles our own protocols in pure Rust: no `protoc`, no network.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let compile = |file| -> Result<_, Box<dyn Error>> {
        let mut compiler = protox::Compiler::new(["proto"])?;
        compiler.include_imports(true).include_source_info(true).open_file(file)?;
        Ok(compiler.file_descriptor_set())
    };
    // Absent parts are missing from the JSON form, and a record of a later version is read as far as it is known.
    prost_build::Config::new()
        .type_attribute(
            ".",
            "#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]",
        )
        .type_attribute(".", "#[serde(default)]")
        .btree_map(["."])
        .field_attribute(
            "duration_us",
            "#[serde(deserialize_with = \"crate::audit::wire_form::number\")]",
        )
        .field_attribute(
            ".",
            "#[serde(skip_serializing_if = \"crate::audit::wire_form::is_empty\")]",
        )
        .compile_fds(compile("countersign/v1/decision.proto")?)?;
    // Texts stay where they arrived.
    prost_build::Config::new()
        .bytes(["."])
        .compile_well_known_types()
        .extern_path(".google.protobuf", "::envoy_types::pb::google::protobuf")
        .extern_path(".countersign.wire.v1.HeaderMap", "super::HeaderLines")
        .compile_fds(compile("countersign/wire/v1/check.proto")?)?;
    Ok(())
}
