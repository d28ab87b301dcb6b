// swift-tools-version: 6.2
import PackageDescription

/// The settings of every Swift target.
let common: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),  // SE-0409
    .enableUpcomingFeature("MemberImportVisibility"),  // SE-0444
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),  // SE-0461: helpers stay on the loop
    .treatAllWarnings(as: .error),  // SE-0480
]

/// What ships is held to strict memory safety too; tests are not.
let strict: [SwiftSetting] =
    common + [
        .strictMemorySafety(),  // SE-0458: `unsafe` marks each C touch
        .enableExperimentalFeature("Lifetimes"),
    ]

func library(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: common)
}

func system(_ name: String, apt: String) -> Target {
    // No pkgConfig: hiredis' flags make SwiftPM warn on every build; the module maps link by name.
    .systemLibrary(name: name, providers: [.apt([apt])])
}

let libraries: [Target.Dependency] = [
    "SojournCore", "SojournLoop", "SojournRedis", "SojournHTTP", "SojournArchive", "SojournStore", "SojournServer",
]

let package = Package(
    name: "sojourn",
    products: [
        .library(name: "SojournStore", targets: ["SojournStore"]),
        .executable(name: "sojourn", targets: ["SojournCommand"]),
    ],
    targets: [
        system("CEvent", apt: "libevent-dev"),
        system("CHiredis", apt: "libhiredis-dev"),
        system("CSQLite", apt: "libsqlite3-dev"),
        system("COpenSSL", apt: "libssl-dev"),
        system("CWslay", apt: "libwslay-dev"),
        .target(name: "CSojournLua"),
        .target(name: "CSojournSystem"),
        .target(name: "CSojournSearch", linkerSettings: [.linkedLibrary("sqlite3")]),

        library("SojournCore", []),
        library("SojournLoop", ["CEvent", "COpenSSL"]),
        library("SojournArchive", ["SojournCore", "SojournLoop", "CSQLite", "COpenSSL", "CSojournSearch"]),
        library("SojournRedis", ["SojournCore", "SojournLoop", "CHiredis", "COpenSSL"]),
        library("SojournHTTP", ["SojournCore", "SojournLoop", "CEvent", "COpenSSL", "CWslay"]),
        library(
            "SojournStore",
            ["SojournCore", "SojournLoop", "SojournRedis", "SojournArchive", "CSojournLua", "COpenSSL"]),
        library(
            "SojournServer",
            ["SojournCore", "SojournLoop", "SojournHTTP", "SojournArchive", "SojournStore", "COpenSSL"]),
        .executableTarget(
            name: "SojournCommand", dependencies: libraries + ["CSojournSystem"], swiftSettings: strict),

        .target(name: "CTestWidth", path: "Tests/CTestWidth"),
        .target(
            name: "SojournTesting",
            dependencies: ["SojournCore", "SojournLoop", "CSojournSystem", "COpenSSL", "CSQLite", "CTestWidth"],
            path: "Tests/SojournTesting", swiftSettings: common),
        tests("SojournCoreTests", ["SojournCore", "SojournTesting"]),
        tests("SojournLoopTests", ["SojournLoop", "SojournTesting"]),
        tests("SojournRedisTests", ["SojournRedis", "SojournCore", "SojournLoop", "SojournTesting"]),
        tests("SojournArchiveTests", ["SojournArchive", "SojournCore", "SojournLoop", "SojournTesting"]),
        tests("SojournHTTPTests", ["SojournHTTP", "SojournCore", "SojournLoop", "SojournTesting"]),
        tests(
            "SojournStoreTests",
            ["SojournStore", "SojournCore", "SojournLoop", "SojournRedis", "SojournArchive", "SojournTesting"]),
        tests(
            "SojournServerTests",
            [
                "SojournServer", "SojournStore", "SojournCore", "SojournLoop", "SojournRedis", "SojournHTTP",
                "SojournArchive", "SojournTesting",
            ]),
        tests(
            "SojournCommandTests",
            [
                "SojournCommand", "SojournServer", "SojournArchive", "SojournCore", "SojournLoop", "SojournTesting",
                "CSQLite",
            ]),
    ]
)

// `ops/fuzz` builds all this with coverage counters and one more program, whose main is libFuzzer's.
if Context.environment["SOJOURN_FUZZ"] != nil {
    package.targets.removeAll { $0.type == .test || $0.name == "SojournCommand" }
    package.targets += [
        .target(
            name: "SojournCommand", dependencies: libraries + ["CSojournSystem"], exclude: ["Main.swift"],
            swiftSettings: strict),
        .executableTarget(
            name: "SojournFuzz", dependencies: libraries + ["SojournCommand"], path: "Tests/SojournFuzz",
            exclude: ["Corpus"], swiftSettings: common),
    ]
    package.products = [.executable(name: "sojourn-fuzz", targets: ["SojournFuzz"])]
}

// `ops/chaos` is one more program, which starts nodes and does them harm.
if Context.environment["SOJOURN_CHAOS"] != nil {
    package.targets.append(
        .executableTarget(
            name: "SojournChaos", dependencies: ["SojournCore", "SojournLoop", "SojournTesting"],
            path: "Tests/SojournChaos", swiftSettings: common))
    package.products.append(.executable(name: "sojourn-chaos", targets: ["SojournChaos"]))
}

// Checks that are about a few modules build only those: SOJOURN_TARGETS="SojournCore SojournCoreTests …".
if let names = Context.environment["SOJOURN_TARGETS"]?.split(separator: " ").map(String.init) {
    package.products = []
    package.targets.removeAll { !names.contains($0.name) }
}
