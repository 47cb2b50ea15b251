//! The site that `docs/build-site` makes of the pages: every link in it leads somewhere, it finds words, and it needs no other
//! server.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tools::{self, root};

/// A site, built in a folder that goes away; `None` with a loud line where there is no mdBook.
fn site() -> Option<tempfile::TempDir> {
    let mdbook = tools::find("mdbook")?;
    let folder = tempfile::tempdir().unwrap();
    let mut search = vec![mdbook.parent().unwrap().to_owned()];
    search.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
    let built = Command::new(root().join("docs/build-site"))
        .arg(folder.path())
        .env("PATH", std::env::join_paths(search).unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&built.stderr).into_owned();
    assert!(built.status.success() && !said.contains("WARN"), "{said}");
    Some(folder)
}

/// The pages of `folder`, by their paths from it. The page for addresses that lead nowhere is at any depth, and the list beside the
/// pages is a part of each.
fn pages(folder: &Path) -> BTreeMap<PathBuf, String> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let own = path.strip_prefix(folder).unwrap().to_owned();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "html")
                && !["404.html", "toc.html"].contains(&own.to_str().unwrap())
            {
                found.insert(own, fs::read_to_string(path).unwrap());
            }
        }
    }
    found
}

/// The values of the attribute `name` in `html`.
fn attributes<'a>(html: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    html.split(name).skip(1).filter_map(|rest| rest.strip_prefix("=\"")?.split('"').next())
}

/// P554: no link of the site is broken, neither to a page, nor to a section, nor to a file.
#[test]
fn every_link_of_the_site_leads_somewhere() {
    let Some(folder) = site() else { return };
    let pages = pages(folder.path());
    let sections = |page: &str| attributes(page, " id").map(str::to_owned).collect::<BTreeSet<_>>();
    let sections: BTreeMap<_, _> =
        pages.iter().map(|(path, page)| (path.clone(), sections(page))).collect();
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for (path, page) in &pages {
        let links = attributes(page, " href").chain(attributes(page, " src"));
        for link in links.filter(|link| !link.contains("://") && !link.starts_with("mailto:")) {
            seen += 1;
            let (file, section) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => path.clone(),
                file => resolved(path.parent().unwrap(), file),
            };
            let target = match folder.path().join(&target).is_dir() {
                true => target.join("index.html"),
                false => target,
            };
            let known = sections.get(&target);
            let there = folder.path().join(&target).exists();
            if !there || !section.is_empty() && known.is_some_and(|own| !own.contains(section)) {
                wrong.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
    assert!(seen > 1000, "{seen} links");
}

/// `file` as seen from `folder`.
fn resolved(folder: &Path, file: &str) -> PathBuf {
    let mut path = folder.to_owned();
    for part in file.split('/') {
        match part {
            ".." => {
                path.pop();
            }
            part => path.push(part),
        }
    }
    path
}

/// P555: the site finds words, shows its pictures, and loads nothing from elsewhere.
#[test]
fn the_site_is_whole_by_itself() {
    let Some(folder) = site() else { return };
    let names = |folder: &Path| -> Vec<_> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let index = names(folder.path()).into_iter().find(|name| name.starts_with("searchindex"));
    let index = fs::read_to_string(folder.path().join(index.unwrap())).unwrap();
    for word in ["binding_mismatch", "leastEvidence", "countersign_build_info", "Authorino"] {
        assert!(index.contains(word), "`{word}` is not found");
    }
    let pages = pages(folder.path());
    for (path, page) in &pages {
        let loaded = attributes(page, " src").chain(
            page.split("<link ")
                .skip(1)
                .flat_map(|rest| attributes(rest.split('>').next().unwrap(), "href")),
        );
        for link in loaded {
            assert!(!link.contains("://"), "{}: {link}", path.display());
        }
    }
    for picture in names(&root().join("docs/pictures")) {
        let shown = format!("pictures/{picture}\"");
        assert!(pages.values().any(|page| page.contains(&shown)), "no page shows {picture}");
    }
}

/// P556: a picture can be read in light and in dark, by ear, and is small.
#[test]
fn pictures_are_for_everyone() {
    let mut style = BTreeSet::new();
    for entry in fs::read_dir(root().join("docs/pictures")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.len() < 8192, "{name}: {} bytes", text.len());
        for part in ["role=\"img\"", "<title id=\"t\">", "<desc id=\"d\">", "viewBox="] {
            assert!(text.contains(part), "{name}: {part}");
        }
        for not in ["<script", "href=", "@import", "url(http", "<foreignObject"] {
            assert!(!text.contains(not), "{name}: {not}");
        }
        let (_, own) = text.split_once("<style>").unwrap();
        style.insert(own.split("</style>").next().unwrap().to_owned());
    }
    // One look for all of them, with colours for both backgrounds.
    assert_eq!(style.len(), 1);
    assert!(style.iter().all(|own| own.contains("prefers-color-scheme: dark")));
}

/// P556: a picture has a text that stands for it.
#[test]
fn pictures_have_texts() {
    for page in ["concepts.md", "peer-evidence.md", "operations.md", "performance.md"] {
        let text = tools::read(&format!("docs/{page}"));
        for picture in text.split("![").skip(1) {
            let (text, _) = picture.split_once("](").unwrap();
            assert!(text.len() > 20, "docs/{page}: `{text}`");
        }
    }
}
