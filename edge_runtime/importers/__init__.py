"""What people already have, into bundles: exports of other tools, with what they say of themselves.

Every reader adds facts to a `draft.Draft`, each with its origin; `questions` finds what is missing;
`bundling` writes the bundle.  Readers run no native code and trust no byte.
"""
