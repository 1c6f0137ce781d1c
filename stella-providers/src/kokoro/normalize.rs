pub(super) fn sentences(text: &str) -> Vec<String> {
    if text.trim().is_empty() {
        return vec![];
    }
    vec![text.to_owned()]
}
