//! What people write first, and what they are told. The carets stand below the text.

use refit_selector::Selector;

/// One mistake: the text, its carets, a part of the message, and the suggestion (`-` for none).
fn check(table: &str) {
    let mut rows = 0;
    for row in table.trim().split("\n\n") {
        let lines: Vec<&str> = row.lines().collect();
        let [text, caret, message, suggestion] = lines.as_slice() else {
            panic!("{row}")
        };
        let mistake = Selector::parse(text).expect_err(text);
        assert_eq!(mistake.caret(text), format!("{text}\n{caret}"), "{mistake}");
        assert!(mistake.message.contains(message), "{text}: {mistake}");
        assert_eq!(
            mistake.suggestion.as_deref().unwrap_or("-"),
            *suggestion,
            "{text}"
        );
        rows += 1;
    }
    assert!(rows > 2);
}

#[test]
fn and_with_or_needs_parentheses() {
    check(
        "
model = a or model = b and online
^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
mixed
model = a or (model = b and online)

online, tag.x or tag.y, tag.z or has id
^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
mixed
(online, tag.x) or (tag.y, tag.z) or has id

all and (online and tag.x or tag.y)
         ^^^^^^^^^^^^^^^^^^^^^^^^^
mixed
(online and tag.x) or tag.y
",
    );
}

#[test]
fn names_are_found_again() {
    check(
        "
verison < 2
^^^^^^^
there is no field `verison`; there are id, model
version

ring = canary
^^^^
tag.NAME
tag.ring

has Model
    ^^^^^
there is no field
model

onlin and all
^^^^^
no field
online

tag. = x
^^^^
followed by a name
-

cert = expried
       ^^^^^^^
one of registered, enrolled, expired
expired

state = FAIL
        ^^^^
one of QUEUED, SENT
FAILED
",
    );
}

#[test]
fn types_are_checked() {
    check(
        "
model < b
      ^
`model` has no order; use `=`
-

seen = 2026-01-01
     ^
`seen` is a moment
-

seen < 2d
       ^^
for an age write `within 2d`
-

seen within yesterday
            ^^^^^^^^^
2d or 1w
-

model within 2d
      ^^^^^^
no moment
-

version < next
          ^^^^
a version such as 1.4.0
-

attr.power > mains
             ^^^^^
only numbers
-

state ~ F*
      ^
no patterns
-

sample 5
       ^
from 0.0001% to 100%
5%

sample 0%
       ^^
from 0.0001% to 100%
-

seen within 0
            ^
a length of time
-

online = true
       ^
`not online`
-

has in
    ^^
no field `in`
id

drifting != false
         ^^
`not drifting`
-

attr.charging
^^^^^^^^^^^^^
compared with
has attr.charging

id = gw-*
     ^^^^
`id ~ \"gw-*\"`
\"gw-*\"
",
    );
}

#[test]
fn the_place_of_what_is_missing_is_shown() {
    check(
        "
model =
       ^
a value for `model` belongs here
-

online and
          ^
something is missing at the end
-

model = a online
          ^^^^^^
is missing before this
and online

model = big box
            ^^^
double quotes
-

(online
^
not closed
-

online)
      ^
never opened
-

model in eu
         ^^
values in parentheses
(eu)

model in (eu us)
             ^^
a comma or `)`
-

model = 'a
        ^^
not closed
-

in lists
   ^^^^^
goes on with `list NAME`
-

model = or
        ^^
double quotes
\"or\"
",
    );
    let mistake = Selector::parse(" \n").unwrap_err();
    assert_eq!(
        (mistake.at, mistake.suggestion.as_deref()),
        (2, Some("all"))
    );
}

#[test]
fn signs_of_other_languages_are_known() {
    check(
        "
model = a && online
          ^^
write `and`
and

model = a | online
          ^
write `or`
or

model <> a
      ^^
write `!=`
!=

model = größe
        ^^^^^
double quotes
\"größe\"

model = a # b
          ^
'#' cannot stand here
-

model = \"a\\b\"
          ^
write it twice
\\\\
",
    );
}
