import SojournCore
import Testing

private let minute: Int64 = 60_000

@Suite struct CreateTimeoutTests {
    private let settings = TimeoutSettings()

    private func policy(_ config: String) throws -> TimeoutPolicy {
        self.settings.policy(forCreate: try JSON.parse(config))
    }

    /// What a client writes, and the minutes that come of it for timeout, maximum duration and warning.
    @Test(
        arguments: [
            ("null", 30, 720, 5), (#""""#, 30, 720, 5), (#""abc""#, 30, 720, 5), (#""45""#, 45, 45, 45),
            (#"" 45 ""#, 45, 45, 45), ("1e999", 1440, 2880, 2880), ("-1e999", 5, 30, 1), (#""1e999""#, 30, 720, 5),
            (#""nan""#, 30, 720, 5), (#""inf""#, 30, 720, 5), ("-5", 5, 30, 1), ("0", 5, 30, 1), ("7.5", 7.5, 30, 7.5),
            ("7.50001", 7.50001, 30, 7.50001), ("0.5", 5, 30, 1), ("true", 30, 720, 5), ("[]", 30, 720, 5),
            ("{}", 30, 720, 5), ("45", 45, 45, 45), ("1440", 1440, 1440, 1440), ("1441", 1440, 1441, 1441),
            ("99999", 1440, 2880, 2880),
        ] as [(String, Double, Double, Double)])
    func `a create is clamped or falls back`(value: String, timeout: Double, cap: Double, warning: Double) throws {
        func milliseconds(_ minutes: Double) -> Int64 { Int64((minutes * Double(minute)).rounded()) }
        #expect(try self.policy(#"{"timeoutMinutes":\#(value)}"#).timeout == milliseconds(timeout))
        #expect(try self.policy(#"{"maxDurationMinutes":\#(value)}"#).maxDuration == milliseconds(cap))
        #expect(try self.policy(#"{"warningThresholdMinutes":\#(value)}"#).warning == milliseconds(warning))
    }

    @Test(arguments: ["null", "{}", "[]", "5", #""x""#, #"{"timeoutMinutes":null,"autoRenew":null}"#])
    func `without wishes the defaults count`(config: String) throws {
        #expect(try self.policy(config) == self.settings.defaults)
        #expect(self.settings.policy(forCreate: nil) == self.settings.defaults)
    }

    @Test func `auto-renewal is taken from booleans only`() throws {
        #expect(try self.policy(#"{"autoRenew":false}"#).autoRenew == false)
        #expect(try self.policy(#"{"autoRenew":"false"}"#).autoRenew)
        #expect(try self.policy(#"{"autoRenew":0}"#).autoRenew)
    }

    @Test func `the cap is never below the timeout`() throws {
        let policy = try self.policy(#"{"timeoutMinutes":60,"maxDurationMinutes":10}"#)
        #expect(policy.maxDuration == 60 * minute)
        #expect(policy.timeout == 60 * minute)
    }

    @Test func `defaults outside the bounds are brought inside`() {
        let odd = TimeoutSettings(
            defaultTimeout: 1, minimumTimeout: 10 * minute, maximumTimeout: 20 * minute, maxDuration: 1)
        #expect(odd.policy(forCreate: nil).timeout == 10 * minute)
        #expect(odd.policy(forCreate: nil).maxDuration == 10 * minute)
    }
}

@Suite struct PatchTimeoutTests {
    private let settings = TimeoutSettings()

    @Test(
        arguments: [
            ("5", 5), ("1440", 1440), ("7.5", 7.5), (#""45""#, 45), (#"" 7.5 ""#, 7.5), ("4.5e1", 45),
        ] as [(String, Double)])
    func `a number within the bounds is taken`(value: String, minutes: Double) throws {
        let patch = try self.settings.patch(from: JSON.parse(#"{"timeoutMinutes":\#(value)}"#))
        #expect(patch == TimeoutPatch(timeout: Int64(minutes * Double(minute))))
    }

    @Test(arguments: ["4", "4.99", "0", "-5", "1441", "1e999", "-1e999", #""3""#, #""100000""#])
    func `a number outside the bounds is refused with them`(value: String) throws {
        let error = try #require(throws: StoreError.self) {
            try self.settings.patch(from: JSON.parse(#"{"timeoutMinutes":\#(value)}"#))
        }
        #expect(error.code == .validation)
        #expect(error.message == "Invalid timeout configuration: Timeout must be between 5 and 1440 minutes")
    }

    @Test(arguments: ["timeoutMinutes", "maxDurationMinutes", "warningThresholdMinutes"])
    func `null and a wrong type are refused`(name: String) throws {
        for value in ["null", "true", "[]", "{}", "[45]"] {
            let error = try #require(throws: StoreError.self) {
                try self.settings.patch(from: JSON.parse(#"{"\#(name)":\#(value)}"#))
            }
            #expect(error.message == "Invalid timeout configuration: Invalid timeout configuration format")
            #expect(error.code.status == 400)
            #expect(error.details?["field"] == "timeoutConfig")
        }
    }

    @Test(arguments: ["null", "1", #""a""#, "0", #""true""#, "[]"])
    func `auto-renewal must be a boolean`(value: String) throws {
        #expect(throws: StoreError.self) { try self.settings.patch(from: JSON.parse(#"{"autoRenew":\#(value)}"#)) }
    }

    @Test(arguments: [nil, "null", "[]", "5", #""x""#] as [String?])
    func `a body that is no object is refused`(body: String?) throws {
        #expect(throws: StoreError.self) { try self.settings.patch(from: try body.map(JSON.parse(_:))) }
    }

    @Test(arguments: [#""abc""#, #""""#, #""  ""#, #""1e999""#, #""nan""#])
    func `a string that is no number keeps the current value`(value: String) throws {
        let text = #"{"timeoutMinutes":\#(value),"maxDurationMinutes":\#(value),"warningThresholdMinutes":\#(value)}"#
        #expect(try self.settings.patch(from: JSON.parse(text)) == TimeoutPatch())
    }

    @Test func `a patch is partial and the warning at least a minute`() throws {
        #expect(try self.settings.patch(from: [:]) == TimeoutPatch())
        #expect(
            try self.settings.patch(from: ["warningThresholdMinutes": 0, "autoRenew": false])
                == TimeoutPatch(autoRenew: false, warning: minute))
        #expect(try self.settings.patch(from: ["maxDurationMinutes": 90]) == TimeoutPatch(maxDuration: 90 * minute))
    }

    @Test func `fractional bounds are written as they are`() throws {
        let settings = TimeoutSettings(minimumTimeout: 90_000, maximumTimeout: 30 * minute)
        let error = try #require(throws: StoreError.self) { try settings.patch(from: ["timeoutMinutes": 1]) }
        #expect(error.message.hasSuffix("Timeout must be between 1.5 and 30 minutes"))
    }
}
