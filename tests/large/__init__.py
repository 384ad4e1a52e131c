"""By hand: runs that are too large or too long for the test suite, each a program that says what it found."""
