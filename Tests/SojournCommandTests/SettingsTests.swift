import SojournCore
import SojournServer
import Testing

@testable import SojournCommand

/// Reads settings from the three sources at once.
func readSettings(
    _ arguments: [String] = [], environment: [String: String] = [:], file: String? = nil
) throws -> (settings: ServeSettings, warnings: [String]) {
    let reader = SettingsReader(environment: environment, readFile: { $0 == "node.conf" ? file : nil })
    switch try reader.read(arguments: (file == nil ? [] : ["--config", "node.conf"]) + arguments) {
    case .help: throw StartError("help was not asked for")
    case .serve(let settings, let warnings): return (settings, warnings)
    }
}

@Suite struct SettingsTests {
    @Test func `without any word the defaults of the design count`() throws {
        let settings = try readSettings().settings
        #expect(settings.host == "127.0.0.1")
        #expect(settings.port == 3000)
        #expect(settings.data == "./sojourn-data")
        #expect(settings.redis == nil)
        #expect(settings.namespace == "sj")
        #expect(settings.partitions == 256)
        #expect(settings.archive == .unset)
        #expect(settings.loops >= 1)
        #expect(settings.apiKeys == [])
        #expect(settings.logLevel == .info)
        #expect(settings.logFormat == .logfmt)
        #expect(!settings.testClock)
        #expect(settings.drain == 20_000)
        #expect(settings.outageThreshold == 15_000)
        #expect(settings.outageHold == 60_000)
        #expect(settings.tombstone == 86_400_000)
        #expect(settings.redisAppendfsync == .always)
        #expect(settings.timeouts == TimeoutSettings())
    }

    @Test func `the help shows the defaults that count`() throws {
        // Each default in the table that is a value is read back and changes nothing.
        for setting in ServeSettings.table where !setting.standard.contains(" ") && !setting.standard.contains("<") {
            if ["none", "off"].contains(setting.standard) { continue }
            var settings = ServeSettings()
            try setting.apply(&settings, setting.standard)
            #expect("\(settings)" == "\(ServeSettings())", "\(setting.name)")
        }
        for setting in ServeSettings.table {
            #expect(SettingsHelp.text.contains("  \(setting.flag)"))
            #expect(SettingsHelp.text.contains(setting.help))
        }
    }

    @Test func `a flag counts more than the environment, that more than the file`() throws {
        let file = "port = 1\nhost = 127.0.0.2\nnamespace = file\n"
        let environment = ["SOJOURN_PORT": "2", "SOJOURN_HOST": "localhost"]
        let settings = try readSettings(["--port", "3"], environment: environment, file: file).settings
        #expect(settings.port == 3)
        #expect(settings.host == "localhost")
        #expect(settings.namespace == "file")
    }

    @Test func `flags take their value after a space or an equals sign`() throws {
        let settings = try readSettings(["--port=0", "--namespace", "a", "--test-clock", "--host=::", "--port", "7"])
            .settings
        #expect(settings.port == 7)
        #expect(settings.namespace == "a")
        #expect(settings.testClock)
        #expect(settings.host == "::")
        #expect(try !readSettings(["--test-clock=false"]).settings.testClock)
    }

    @Test func `the file may have comments, blank lines and Windows line ends`() throws {
        let settings = try readSettings(file: "# a node\r\n\r\n  port=4000\r\nhost =  ::1 \r\ntest-clock = yes")
            .settings
        #expect(settings.port == 4000)
        #expect(settings.host == "::1")
        #expect(settings.testClock)
    }

    @Test func `the variables of the Sessions API are understood`() throws {
        let settings = try readSettings(environment: [
            "SESSION_DEFAULT_TIMEOUT_MINUTES": "7.5", "SESSION_MIN_TIMEOUT_MINUTES": "0.5",
            "SESSION_MAX_TIMEOUT_MINUTES": "100", "SESSION_MAX_DURATION_MINUTES": "200",
            "SESSION_WARNING_THRESHOLD_MINUTES": "2", "SESSION_AUTO_RENEW": "false",
            "SESSION_CLEANUP_INTERVAL_MINUTES": "5", "ELIZA_SERVER_AUTH_TOKEN": "secret",
        ]).settings
        #expect(
            settings.timeouts
                == TimeoutSettings(
                    defaultTimeout: 450_000, minimumTimeout: 30_000, maximumTimeout: 6_000_000,
                    maxDuration: 12_000_000, warning: 120_000, autoRenew: false))
        #expect(settings.apiKeys == [AccessKey(name: "key-1", role: .admin, secret: "secret")])
    }

    @Test func `a variable of ours counts more than its alias, and an empty one not at all`() throws {
        let settings = try readSettings(environment: [
            "SOJOURN_API_KEYS": "a, b,,c ", "ELIZA_SERVER_AUTH_TOKEN": "other", "SOJOURN_PORT": "",
            "SOJOURN_SESSION_DEFAULT_TIMEOUT_MINUTES": "", "SESSION_DEFAULT_TIMEOUT_MINUTES": "9",
        ]).settings
        #expect(
            settings.apiKeys
                == ["a", "b", "c"].enumerated().map { place, secret in
                    AccessKey(name: "key-\(place + 1)", role: .admin, secret: secret)
                })
        #expect(settings.port == 3000)
        #expect(settings.timeouts.defaults.timeout == 9 * 60_000)
    }

    @Test func `the port variable of Kubernetes is not ours`() throws {
        let environment = ["SOJOURN_PORT": "tcp://10.0.0.7:3000", "SOJOURN_SERVICE_HOST": "10.0.0.7"]
        let (settings, warnings) = try readSettings(environment: environment)
        #expect(settings.port == 3000)
        #expect(warnings == [])
    }

    @Test func `a misspelt variable is pointed out`() throws {
        let warnings = try readSettings(environment: ["SOJOURN_PARTITION": "4", "SOJOURN_URL_OF_OTHERS": "x"]).warnings
        #expect(warnings == ["the variable SOJOURN_PARTITION is not a setting; did you mean SOJOURN_PARTITIONS?"])
    }

    @Test func `where ended sessions go depends on the Redis`() throws {
        let near = try readSettings().settings
        #expect(near.archive == .unset)
        #expect(near.archivePath(in: nil) == nil)
        #expect(try readSettings(["--archive", "none"]).settings.archive == .nobody)
        let far = try readSettings(["--redis", "redis://h", "--archive", "a.sqlite"]).settings
        #expect(far.archivePath(in: nil) == "a.sqlite")
    }

    @Test func `help is found anywhere`() throws {
        let reader = SettingsReader(environment: [:], readFile: { _ in nil })
        guard case .help = try reader.read(arguments: ["--port", "x", "--help"]) else {
            Issue.record("help was not given")
            return
        }
    }
}

@Suite struct SettingsErrorTests {
    @Test(
        arguments: [
            (["--port", "abc"], "the setting port (--port) is \"abc\", but must be a whole number from 0 to 65535"),
            (["--port=65536"], "the setting port (--port) is \"65536\", but must be a whole number from 0 to 65535"),
            (["--port"], "the setting --port needs a value"),
            (["--port", "--host"], "the setting --port needs a value"),
            (["--prot", "1"], "there is no setting --prot; did you mean --port?"),
            (["--name-space=x"], "there is no setting --name-space; did you mean --namespace?"),
            (["--colour=red"], "there is no setting --colour"),
            (["serve"], "serve takes settings such as --port 3000, but was given \"serve\""),
            (["-p", "1"], "serve takes settings such as --port 3000, but was given \"-p\""),
            (["--host="], "the setting host (--host) is \"\", but must be a numeric IP address, or localhost"),
            (["--host=me"], "the setting host (--host) is \"me\", but must be a numeric IP address, or localhost"),
            (["--loops=0"], "the setting loops (--loops) is \"0\", but must be a whole number from 1 to 1024"),
            (
                ["--partitions=100"],
                "the setting partitions (--partitions) is \"100\", but must be a power of two from 1 to 4096"
            ),
            (
                ["--namespace={a}"],
                "the setting namespace (--namespace) is \"{a}\", but must be 1 to 32 letters, digits or any of ._-"
            ),
            (
                ["--log-level=WARN"],
                "the setting log-level (--log-level) is \"WARN\", but must be one of trace, debug, info, notice, warning, "
                    + "error, critical"
            ),
            (["--log-format=xml"], "the setting log-format (--log-format) is \"xml\", but must be one of logfmt, json"),
            (
                ["--redis-appendfsync=sometimes"],
                "the setting redis-appendfsync (--redis-appendfsync) is \"sometimes\", but must be one of always, "
                    + "everysec, no"
            ),
            (["--test-clock=maybe"], "the setting test-clock (--test-clock) is \"maybe\", but must be true or false"),
            (
                ["--drain-seconds=nan"],
                "the setting drain-seconds (--drain-seconds) is \"nan\", but must be a number of seconds from 0 to 3600"
            ),
            (
                ["--api-keys", ","],
                "the setting api-keys (--api-keys) is \"(not shown)\", but must be one or more keys with commas between them"
            ),
            (
                ["--redis", "http://x"],
                "the setting redis (--redis) is \"http://x\", but must be redis[s]://[user:password@]host[:port][/db], "
                    + "unix:/path[?db=n], redis[s]+sentinel://host[:port][,host…]/master[/db] or "
                    + "redis[s]+cluster://host[:port][,host…]"
            ),
            (
                ["--redis", "redis+cluster://me:secret@host/db"],
                "the setting redis (--redis) is \"redis+cluster://(not shown)@host/db\", but must be redis+cluster://"
                    + "[user:password@]host[:port][,host[:port]…]"
            ),
            (
                ["--session-min-timeout-minutes=50", "--session-max-timeout-minutes=10"],
                "the setting session-min-timeout-minutes (--session-min-timeout-minutes) is above "
                    + "session-max-timeout-minutes (--session-max-timeout-minutes), but must not be"
            ),
            (["--config", "missing.conf"], "the config file missing.conf cannot be read"),
        ] as [([String], String)])
    func `a wrong flag is named with its value and the rule`(arguments: [String], sentence: String) throws {
        let error = try #require(throws: SettingsError.self) { try readSettings(arguments) }
        #expect(error.description == sentence)
    }

    @Test(arguments: [
        (
            "\nport = x", "the setting port (line 2 of node.conf) is \"x\", but must be a whole number from 0 to 65535"
        ),
        ("prot = 1", "line 1 of node.conf names a setting that does not exist: prot; did you mean port?"),
        ("config = b", "line 1 of node.conf names a setting that does not exist: config"),
        ("# a\nport 1", "line 2 of node.conf is not of the form name = value"),
        ("port = 1\nhost = a\nport = 2", "line 3 of node.conf sets port again, after line 1 of node.conf"),
    ])
    func `a wrong line is named with its place`(file: String, sentence: String) throws {
        let error = try #require(throws: SettingsError.self) { try readSettings(file: file) }
        #expect(error.description == sentence)
    }

    @Test func `a wrong variable is named as it was written`() throws {
        let error = try #require(throws: SettingsError.self) {
            try readSettings(environment: ["SESSION_MAX_TIMEOUT_MINUTES": "a lot"])
        }
        #expect(
            error.description
                == "the setting session-max-timeout-minutes (from SESSION_MAX_TIMEOUT_MINUTES) is \"a lot\", but must be "
                + "a number of minutes from 0.001 to 5256000")
    }

    @Test func `names have one spelling each`() {
        let names = ServeSettings.table.map(\.name)
        #expect(Set(names).count == names.count)
        #expect(names.allSatisfy { $0.utf8.allSatisfy { (97...122).contains($0) || $0 == 45 } })
        let variables = ServeSettings.table.flatMap { [$0.variable] + $0.aliases }
        #expect(Set(variables).count == variables.count)
    }

    @Test(arguments: [("port", "port", 0), ("prot", "port", 2), ("", "abc", 3), ("kitten", "sitting", 3)])
    func `distance counts letters`(left: String, right: String, distance: Int) {
        #expect(Nearest.distance(left, right) == distance)
        #expect(Nearest.distance(right, left) == distance)
    }
}
