//! Messages that nobody thought of, over gRPC: made after the descriptors, and then not quite. Whatever comes, the answer is never
//! that the server failed.

use crate::common::{Running, seeds};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use fastrand::Rng;
use prost::Message as _;
use prost::encoding::encode_varint;
use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, FileDescriptorSet};
use serde_json::json;
use std::collections::BTreeMap;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

/// Messages that are sent to each API.
const MESSAGES: usize = 1_500;

/// Texts that mean something, somewhere.
const TEXTS: [&str; 10] = [
    "notes",
    "",
    "lang",
    "..",
    "lang = \"en\"",
    "{\"query\": {\"nearest\": [1, 2]}}",
    "{\"field\": \"lang\", \"eq\": \"en\"}",
    "[1",
    "é\u{0}",
    "00000000-0000-0000-0000-000000000000",
];

/// The calls of the Qdrant-compatible API; its client carries no descriptors.
const QDRANT: [(&str, &[&str]); 2] = [
    (
        "Points",
        &[
            "Upsert",
            "Delete",
            "Get",
            "UpdateVectors",
            "DeleteVectors",
            "SetPayload",
            "OverwritePayload",
            "DeletePayload",
            "ClearPayload",
            "CreateFieldIndex",
            "DeleteFieldIndex",
            "Search",
            "SearchBatch",
            "SearchGroups",
            "Scroll",
            "Recommend",
            "RecommendBatch",
            "RecommendGroups",
            "Discover",
            "DiscoverBatch",
            "Count",
            "UpdateBatch",
            "Query",
            "QueryBatch",
            "QueryGroups",
            "Facet",
            "SearchMatrixPairs",
            "SearchMatrixOffsets",
        ],
    ),
    (
        "Collections",
        &[
            "Get",
            "List",
            "Create",
            "Update",
            "Delete",
            "UpdateAliases",
            "ListCollectionAliases",
            "ListAliases",
            "CollectionExists",
        ],
    ),
];

/// Bytes as they are.
#[derive(Clone, Copy, Default)]
pub(crate) struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

/// Makes messages.
struct Maker {
    rng: Rng,
    messages: BTreeMap<String, DescriptorProto>,
}

impl Maker {
    fn tag(into: &mut BytesMut, field: u64, wire: u64) {
        encode_varint(field << 3 | wire, into);
    }

    fn number(&mut self) -> u64 {
        match self.rng.u8(..6) {
            0 => u64::MAX,
            1 => self.rng.u64(..),
            _ => self.rng.u64(..12),
        }
    }

    fn put_bytes(into: &mut BytesMut, field: u64, bytes: &[u8]) {
        Maker::tag(into, field, 2);
        encode_varint(bytes.len() as u64, into);
        into.put_slice(bytes);
    }

    /// A message of the kind `name`.
    fn message(&mut self, name: &str, depth: usize) -> BytesMut {
        let mut bytes = BytesMut::new();
        let Some(descriptor) = self.messages.get(name).cloned() else {
            return bytes;
        };
        for field in &descriptor.field {
            let number = u64::try_from(field.number()).unwrap();
            for _ in 0..[0, 1, 1, 1, 3][self.rng.usize(..5)] {
                match field.r#type() {
                    Type::Message if depth > 0 => {
                        let inner =
                            self.message(field.type_name().trim_start_matches('.'), depth - 1);
                        Maker::put_bytes(&mut bytes, number, &inner);
                    }
                    Type::Message | Type::Bytes | Type::Group => {
                        let random: Vec<u8> =
                            (0..self.rng.usize(..12)).map(|_| self.rng.u8(..)).collect();
                        Maker::put_bytes(&mut bytes, number, &random);
                    }
                    Type::String => {
                        let text = TEXTS[self.rng.usize(..TEXTS.len())];
                        Maker::put_bytes(&mut bytes, number, text.as_bytes());
                    }
                    Type::Double | Type::Fixed64 | Type::Sfixed64 => {
                        Maker::tag(&mut bytes, number, 1);
                        bytes.put_u64_le(self.rng.u64(..));
                    }
                    Type::Float | Type::Fixed32 | Type::Sfixed32 => {
                        Maker::tag(&mut bytes, number, 5);
                        bytes.put_f32_le(
                            [0.5, -1.0, f32::NAN, f32::INFINITY, 3.0][self.rng.usize(..5)],
                        );
                    }
                    _ => {
                        Maker::tag(&mut bytes, number, 0);
                        encode_varint(self.number(), &mut bytes);
                    }
                }
            }
        }
        self.scratch(&mut bytes);
        bytes
    }

    /// A message of which nothing is known: it is for `notes`, perhaps, and has fields with small numbers.
    fn unknown(&mut self, depth: usize) -> BytesMut {
        let mut bytes = BytesMut::new();
        if depth == 3 && self.rng.u8(..4) != 0 {
            Maker::put_bytes(&mut bytes, 1, b"notes");
        }
        for _ in 0..self.rng.usize(..5) {
            let field = self.rng.u64(1..16);
            match self.rng.u8(..5) {
                0 => {
                    Maker::tag(&mut bytes, field, 0);
                    encode_varint(self.number(), &mut bytes);
                }
                1 => {
                    Maker::tag(&mut bytes, field, 5);
                    bytes.put_f32_le(self.rng.f32());
                }
                2 => {
                    let text = TEXTS[self.rng.usize(..TEXTS.len())];
                    Maker::put_bytes(&mut bytes, field, text.as_bytes());
                }
                _ if depth > 0 => {
                    let inner = self.unknown(depth - 1);
                    Maker::put_bytes(&mut bytes, field, &inner);
                }
                _ => {}
            }
        }
        bytes
    }

    /// Now and then, a byte is another one.
    fn scratch(&mut self, bytes: &mut BytesMut) {
        if !bytes.is_empty() && self.rng.u8(..20) == 0 {
            let place = self.rng.usize(..bytes.len());
            bytes[place] = self.rng.u8(..);
        }
    }
}

/// Sends `message` to `path`; fails when the server did.
async fn send(client: &mut Grpc<Channel>, path: &str, message: Bytes, number: usize) {
    client.ready().await.unwrap();
    let path: PathAndQuery = path.parse().unwrap();
    let request = Request::new(tokio_stream::once(message.clone()));
    let answer = client.streaming(request, path.clone(), Raw).await;
    let ended = match answer {
        Err(status) => Err(status),
        Ok(answer) => {
            let mut answers = answer.into_inner();
            loop {
                match answers.message().await {
                    Ok(Some(_)) => {}
                    Ok(None) => break Ok(()),
                    Err(status) => break Err(status),
                }
            }
        }
    };
    let Err(status) = ended else { return };
    // The library says so itself of what is no message.
    let no_message = status
        .message()
        .contains("failed to decode Protobuf message");
    assert!(
        no_message
            || !matches!(
                status.code(),
                Code::Internal | Code::Unknown | Code::DataLoss
            ),
        "message {number} to {path}: {status:?}\n{message:?}"
    );
}

#[tokio::test]
async fn whatever_comes_natively_is_answered() {
    for seed in seeds() {
        natively(seed).await;
    }
}

async fn natively(seed: u64) {
    let files = FileDescriptorSet::decode(aethervec_proto::DESCRIPTORS).unwrap();
    let mut messages = BTreeMap::new();
    let mut calls = Vec::new();
    for file in files.file {
        let package = file.package().to_owned();
        for message in file.message_type {
            for inner in &message.nested_type {
                let name = format!("{package}.{}.{}", message.name(), inner.name());
                messages.insert(name, inner.clone());
            }
            messages.insert(format!("{package}.{}", message.name()), message);
        }
        for service in file.service {
            for method in &service.method {
                let path = format!("/{package}.{}/{}", service.name(), method.name());
                let input = method.input_type().trim_start_matches('.').to_owned();
                calls.push((path, input));
            }
        }
    }
    let server = Running::start().await;
    let address = format!("http://{}", server.addresses.grpc.unwrap());
    let channel = Channel::from_shared(address)
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut client = Grpc::new(channel);
    let mut maker = Maker {
        rng: Rng::with_seed(seed),
        messages,
    };
    for number in 0..MESSAGES {
        if number % 200 == 0 {
            server.put("/v1/collections/notes", json!({"dim": 2})).await;
        }
        let (path, input) = &calls[maker.rng.usize(..calls.len())];
        let message = maker.message(input, 4).freeze();
        send(&mut client, path, message, number).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn whatever_comes_in_the_dialect_is_answered() {
    for seed in seeds() {
        in_the_dialect(seed).await;
    }
}

async fn in_the_dialect(seed: u64) {
    let server = Running::start().await;
    let address = format!("http://{}", server.addresses.qdrant_grpc.unwrap());
    let channel = Channel::from_shared(address)
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut client = Grpc::new(channel);
    let mut maker = Maker {
        rng: Rng::with_seed(seed),
        messages: BTreeMap::new(),
    };
    for number in 0..MESSAGES {
        if number % 200 == 0 {
            server.put("/v1/collections/notes", json!({"dim": 2})).await;
        }
        let (service, calls) = QDRANT[maker.rng.usize(..QDRANT.len())];
        let call = calls[maker.rng.usize(..calls.len())];
        let message = maker.unknown(3).freeze();
        send(
            &mut client,
            &format!("/qdrant.{service}/{call}"),
            message,
            number,
        )
        .await;
    }
    server.stop().await;
}
