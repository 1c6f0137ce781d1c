//! Inner tensors of a model as outputs of it.

/// A tensor inside a model that the exporter did not make an output, but that is one for us.
///
/// A model file is a `ModelProto`, and in protobuf a message may be written in several pieces one after the other: the
/// fields of the pieces are merged, and repeated ones add up. So a second piece behind the file's bytes, a graph of
/// nothing but one output, gives the model one output more and leaves the rest as it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exposed {
    /// The tensor's name in the graph, and then the output's.
    pub(super) name: &'static str,
    element: u8,
}

/// Numbers of the fields: onnx 1.17, `onnx.proto`.
mod field {
    pub(super) const MODEL_GRAPH: u8 = 7;
    pub(super) const GRAPH_OUTPUT: u8 = 12;
    pub(super) const VALUE_NAME: u8 = 1;
    pub(super) const VALUE_TYPE: u8 = 2;
    pub(super) const TYPE_TENSOR: u8 = 1;
    pub(super) const TENSOR_ELEMENT: u8 = 1;
}

impl Exposed {
    /// A tensor of 32-bit floating point numbers, of any shape.
    pub(super) const fn f32(name: &'static str) -> Self {
        Self { name, element: 1 }
    }

    /// What makes the tensor an output, to stand behind the bytes of the model.
    pub(super) fn appendix(self) -> Vec<u8> {
        let element = [field::TENSOR_ELEMENT << 3, self.element];
        let kind = message(field::VALUE_TYPE, &message(field::TYPE_TENSOR, &element));
        let value = [message(field::VALUE_NAME, self.name.as_bytes()), kind].concat();
        message(field::MODEL_GRAPH, &message(field::GRAPH_OUTPUT, &value))
    }
}

/// A field with a length: its number and wire type 2, the length in groups of seven bits, the content.
fn message(field: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![field << 3 | 2];
    let mut length = content.len();
    while length >= 0x80 {
        bytes.push(length as u8 & 0x7f | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend_from_slice(content);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_appendix_is_a_graph_with_one_output() {
        // As `onnx.ModelProto(graph=GraphProto(output=[ValueInfoProto(…)])).SerializeToString()` writes it.
        assert_eq!(Exposed { name: "/a", element: 1 }.appendix(), b":\x0cb\x0a\n\x02/a\x12\x04\n\x02\x08\x01");
    }

    #[test]
    fn long_lengths_take_two_bytes() {
        assert_eq!(message(1, &[7; 300])[..4], [10, 0xac, 2, 7]);
    }
}
