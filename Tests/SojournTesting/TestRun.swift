import Glibc

/// How the tests are run.
public enum TestRun {
    /// Whether no other test runs beside (`SOJOURN_TEST_ALONE`), so that a time says something.
    public static let isAlone = getenv("SOJOURN_TEST_ALONE") != nil
}
