import Foundation
import Glibc
import Testing

@testable import SojournCommand

@Suite struct DataFolderTests {
    @Test func `the folder is made for this user only`() throws {
        let workspace = try Workspace()
        let folder = try DataFolder(workspace.path + "/a/b")
        #expect(folder.path == workspace.path + "/a/b")
        let mode = try FileManager.default.attributesOfItem(atPath: folder.path)[.posixPermissions] as? Int
        #expect(mode == 0o700)
        #expect(folder.archive == workspace.path + "/a/b/archive.sqlite")
        #expect(File.text(folder.path + "/lock") == "\(getpid())\n")
    }

    @Test func `a second node is refused and told who is first`() throws {
        let workspace = try Workspace()
        var first: DataFolder? = try DataFolder(workspace.data)
        #expect(first != nil)
        let error = try #require(throws: StartError.self) { try DataFolder(workspace.data) }
        #expect(
            error.description
                == "another node (process \(getpid())) uses the data folder \(workspace.data); stop it, or "
                + "give this one its own folder with --data")
        first = nil
        #expect(throws: Never.self) { try DataFolder(workspace.data) }
    }

    @Test func `a file in the way is named`() throws {
        let workspace = try Workspace()
        try Data().write(to: URL(fileURLWithPath: workspace.data))
        let error = try #require(throws: StartError.self) { try DataFolder(workspace.data) }
        #expect(error.description == "\(workspace.data) is not a folder")
    }

    @Test func `a short path keeps the socket beside the data`() throws {
        let workspace = try Workspace()
        let folder = try DataFolder(workspace.data)
        #expect(try RedisSocket.path(for: folder, environment: [:]) == workspace.data + "/redis/redis.sock")
    }

    @Test func `a long path moves the socket to the runtime directory`() throws {
        let workspace = try Workspace()
        let runtime = workspace.path + "/run"
        mkdir(runtime, 0o700)
        let folder = try DataFolder(workspace.path + "/" + String(repeating: "long", count: 25))
        let environment = ["XDG_RUNTIME_DIR": runtime]
        let path = try RedisSocket.path(for: folder, environment: environment)
        #expect(path == "\(runtime)/sojourn-\(RedisSocket.hash(folder.path))/redis.sock")
        #expect(path.utf8.count <= 100)
        #expect(
            try RedisSocket.path(for: folder, environment: environment) == path, "the next node finds the same place")
    }

    @Test func `without a runtime directory that is ours it moves to a private folder in tmp`() throws {
        let workspace = try Workspace()
        let runtime = workspace.path + "/open"
        mkdir(runtime, 0o700)
        chmod(runtime, 0o777)
        let folder = try DataFolder(workspace.path + "/" + String(repeating: "long", count: 25))
        // A user without /run/user/…, so that the outcome does not depend on the machine.
        let path = try RedisSocket.path(for: folder, environment: ["XDG_RUNTIME_DIR": runtime], user: getuid())
        let own = FileManager.default.fileExists(atPath: "/run/user/\(getuid())")
        let name = own ? "/run/user/\(getuid())/sojourn-" : "/tmp/sojourn-\(getuid())-"
        #expect(path == name + RedisSocket.hash(folder.path) + "/redis.sock")
        let parent = String(path.dropLast("/redis.sock".count))
        defer { rmdir(parent) }
        let mode = try FileManager.default.attributesOfItem(atPath: parent)[.posixPermissions] as? Int
        #expect(mode == 0o700)
        if !own {
            chmod(parent, 0o755)
            let error = try #require(throws: StartError.self) { try RedisSocket.path(for: folder, environment: [:]) }
            #expect(error.description.hasSuffix("belongs to, or is open to, another user"))
        }
    }
}
