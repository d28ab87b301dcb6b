import SojournServer
import Testing

@testable import SojournCommand

@Suite struct KeySettingsTests {
    @Test func `a key has a name and a role, or opens everything`() throws {
        #expect(
            try KeySettings.keys("shop:backend:s3cret, plain, robot:worker:a:b") == [
                AccessKey(name: "shop", role: .backend, secret: "s3cret"),
                AccessKey(name: "key-2", role: .admin, secret: "plain"),
                AccessKey(name: "robot", role: .worker, secret: "a:b"),
            ])
        // A token of an older server may have colons.
        #expect(
            try KeySettings.keys("x:0123456789:y") == [
                AccessKey(name: "key-1", role: .admin, secret: "x:0123456789:y")
            ])
        for wrong in ["", " , ", "shop:bakend:s3cret", "shop:backend:", "a shop:backend:s3cret"] {
            #expect(throws: Rule.self, "\(wrong)") { try KeySettings.keys(wrong) }
        }
    }

    @Test func `a key file holds digests, and an error shows its line's number but not the line`() throws {
        let line = "shop backend " + AccessKey.digest(of: "s3cret")
        #expect(
            try KeySettings.keys(lines: "# keys\n\n  \(line)  \n", of: "f") == [
                AccessKey(name: "shop", role: .backend, secret: "s3cret")
            ])
        for wrong in ["shop backend s3cret", "shop bakend \(AccessKey.digest(of: "s3cret"))", "s3cret", line + " more"]
        {
            let error = #expect(throws: StartError.self) { try KeySettings.keys(lines: "\(line)\n\(wrong)", of: "f") }
            #expect(error?.description.hasPrefix("line 2 of the key file f") == true)
            #expect(error?.description.contains("s3cret") == false)
        }
        #expect(throws: StartError.self) { try KeySettings.keys(lines: "# none\n", of: "f") }
    }
}
