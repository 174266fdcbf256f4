//! The files that pages refer to. Their names carry a hash of what is in them, so browsers may keep them for ever.

/// A file that is served as it is.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Its name, without a folder.
    pub name: &'static str,
    /// What it is.
    pub content_type: &'static str,
    /// What is in it.
    pub text: &'static str,
}

/// How everything looks.
pub const STYLE: Asset = Asset {
    name: "style.css",
    content_type: "text/css; charset=utf-8",
    text: include_str!("../assets/style.css"),
};

/// What keeps a page fresh, and the keys; pages can be read without it.
pub const SCRIPT: Asset = Asset {
    name: "live.js",
    content_type: "text/javascript; charset=utf-8",
    text: include_str!("../assets/live.js"),
};

/// The sign in the browser's tab.
pub const ICON: Asset = Asset {
    name: "icon.svg",
    content_type: "image/svg+xml",
    text: include_str!("../assets/icon.svg"),
};

/// All of them.
pub const ALL: [Asset; 3] = [STYLE, SCRIPT, ICON];

/// The Content-Security-Policy that the pages are made for.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

impl Asset {
    /// Returns where pages refer to it: `/console/HASH/NAME`.
    pub fn path(&self) -> String {
        format!("/console/{:016x}/{}", fnv(self.text), self.name)
    }

    /// Finds an asset by its path.
    pub fn find(path: &str) -> Option<Self> {
        ALL.into_iter().find(|asset| asset.path() == path)
    }
}

/// FNV-1a: another text has another name. Nobody attacks what was compiled in.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_where_pages_refer_to_it() {
        for asset in ALL {
            assert_eq!(Asset::find(&asset.path()).unwrap().name, asset.name);
        }
        assert!(Asset::find("/console/0000000000000000/style.css").is_none());
    }

    #[test]
    fn the_script_and_the_style_stay_small() {
        assert!(SCRIPT.text.len() <= 10_000, "{}", SCRIPT.text.len());
        assert!(STYLE.text.len() <= 20_000, "{}", STYLE.text.len());
    }
}
