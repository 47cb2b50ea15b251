//! The settings of proxies that are shipped and shown.

use std::fs;
use std::path::{Path, PathBuf};

use super::root;

/// P2, P9: the settings of Envoy that are shipped and shown fail closed, and keep the route that was decided about.
#[test]
fn no_shipped_setting_of_a_proxy_opens_a_door() {
    let mut seen = 0;
    for folder in ["envoy", "docs", "deploy"] {
        let mut texts = Vec::new();
        text_files(&root().join(folder), &mut texts);
        for path in texts {
            let text = fs::read_to_string(&path).unwrap();
            let said = |line: &str, key: &str| {
                let value = line.trim().strip_prefix(key).map(str::trim);
                value.is_some_and(|value| value.starts_with("true"))
            };
            seen += usize::from(text.contains("failure_mode_allow: false"));
            for line in text.lines() {
                let open = ["failure_mode_allow:", "clear_route_cache:", "failOpen:"];
                let door = open.iter().find(|key| said(line, key));
                assert_eq!(door, None, "{}: {line}", path.display());
            }
        }
    }
    assert!(seen > 0, "no settings were found");
}

/// Every file in `folder` that is text to people; none where there is no such folder.
fn text_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text_files(&path, found);
        } else if path
            .extension()
            .is_some_and(|own| ["yaml", "md", "tpl"].iter().any(|e| own == *e))
        {
            found.push(path);
        }
    }
}
