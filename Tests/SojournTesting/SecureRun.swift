import Foundation

/// A run of the tests with TLS on both sides of each node, and with a Redis user that may do only what the README lists:
/// `SOJOURN_TEST_TLS=1`.
public enum SecureRun {
    /// The certificate of that run; nil in an ordinary one.
    public static let certificate: Certificate? =
        ProcessInfo.processInfo.environment["SOJOURN_TEST_TLS"] == "1" ? try? Certificate() : nil

    /// The Redis user of that run and its password; nil in an ordinary one, where it is Redis' own.
    public static let login: (user: String, password: String)? = Self.certificate == nil ? nil : ("sojourn", "secret")

    /// The rules of the README's Redis user, as a line of an ACL file.
    static let acl: String = {
        let readme = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("README.md")
        let text = (try? String(contentsOf: readme, encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("ACL SETUSER sojourn ") }
        precondition(line != nil, "the README names no Redis user")
        return "user " + (line?.dropFirst("ACL SETUSER ".count) ?? "")
    }()
}

/// A certificate for 127.0.0.1 and localhost that has signed itself, made when it is asked for.
public final class Certificate: Sendable {
    private let folder = TemporaryFolder()

    /// The certificate, PEM.
    public var file: String { self.folder.file("cert.pem") }
    /// Its private key, PEM.
    public var key: String { self.folder.file("key.pem") }

    /// Makes one; `name` tells it from others, `subjects` are those whom it is for.
    public init(name: String = "sojourn-test", subjects: String = "IP:127.0.0.1,DNS:localhost") throws {
        let program = try TestProcess(
            "openssl",
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                "-subj",
                "/CN=\(name)", "-addext", "subjectAltName=\(subjects)", "-keyout",
                self.folder.file("key.pem"), "-out", self.folder.file("cert.pem"),
            ])
        guard program.wait() == .exited(0) else { throw NotInTime(description: "openssl made no certificate") }
    }
}
