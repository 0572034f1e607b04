"""Publishers as the README shows them: run as they are, by test_snippets."""
