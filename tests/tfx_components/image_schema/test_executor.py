"""The schema gets what statistics left out, and keeps what it has."""

from tensorflow_metadata.proto.v0 import schema_pb2

from tfx_components.image_schema.executor import complete_schema


def test_missing_bytes_features_are_added_as_required():
    inferred = schema_pb2.Schema()
    inferred.feature.add(name="image/height", type=schema_pb2.INT)
    completed = complete_schema(inferred)
    added = {feature.name: feature for feature in completed.feature}
    assert set(added) == {"image/height", "image/encoded", "image/format", "image/filename", "image/key/sha256"}
    encoded = added["image/encoded"]
    assert encoded.type == schema_pb2.BYTES
    assert encoded.presence.min_fraction == 1.0
    assert [dim.size for dim in encoded.shape.dim] == [1]
    assert len(inferred.feature) == 1


def test_present_features_stay_as_they_are():
    inferred = schema_pb2.Schema()
    inferred.feature.add(name="image/encoded", type=schema_pb2.BYTES, lifecycle_stage=schema_pb2.BETA)
    completed = complete_schema(inferred)
    [encoded] = [feature for feature in completed.feature if feature.name == "image/encoded"]
    assert encoded.lifecycle_stage == schema_pb2.BETA
