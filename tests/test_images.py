"""Images are decoded as in Pillow and torchvision, split before they are decoded, and scaled by the network."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from nrc_core import ConfigError, DataDamaged, RunConfig, build_model, deep_nrc_mlp, deep_nrc_resnet, load_dataset
from nrc_core.data.images import decode, pixel_statistics
from nrc_core.data.prepared import read_prepared, write_prepared
from nrc_core.training.loop import reproducible_arithmetic, train
from tests.fakes import prepare_images


def encoded(kind: str, size=(48, 40), mode="RGB", seed=0) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_images_are_decoded_as_pillow_does(kind):
    files = [encoded(kind, seed=seed) for seed in range(5)]
    expected = torch.stack([torch.from_numpy(np.array(Image.open(io.BytesIO(file)))) for file in files])
    images = decode(files)
    assert images.dtype == torch.uint8
    assert torch.equal(images.permute(0, 2, 3, 1), expected)
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_reducing_is_what_torchvision_does_to_a_picture():
    file = encoded("png", size=(64, 48))
    reduced = v2.functional.resize(Image.open(io.BytesIO(file)), 36)
    assert torch.equal(decode([file], 36)[0].permute(1, 2, 0), torch.from_numpy(np.array(reduced)))
    assert decode([file], 48).shape == (1, 3, 48, 64)


def test_grey_pictures_have_one_channel_unless_the_first_has_colour():
    grey, colour = encoded("png", mode="L"), encoded("png")
    assert decode([grey, colour]).shape[1] == 1
    image = decode([colour, grey])[1]
    assert torch.equal(image[0], image[2])
    assert torch.equal(image[:1], decode([grey])[0])


@pytest.mark.parametrize("size", [31, 41])
def test_sizes_that_are_too_small_or_larger_than_the_images(size):
    with pytest.raises(ConfigError, match=f"image_size must be from 32 to 40, the images' own: got {size}"):
        decode([encoded("png")], size)


def test_images_that_differ_or_are_cut_off_are_named():
    with pytest.raises(DataDamaged, match=r"image 1 has \(50, 40\) pixels, the first \(48, 40\)"):
        decode([encoded("png"), encoded("png", size=(50, 40))])
    with pytest.raises(DataDamaged, match="image 1 cannot be decoded"):
        decode([encoded("jpeg"), encoded("jpeg")[:-400]])


def test_pixel_statistics_are_numpys():
    images = torch.randint(0, 200, (7, 3, 5, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    mean, spread = pixel_statistics(images)
    channels = images.double().numpy().transpose(1, 0, 2, 3).reshape(3, -1)
    assert mean == pytest.approx(channels.mean(1), rel=1e-13)
    assert spread == pytest.approx(channels.std(1), rel=1e-13)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    prepare_images(tmp_path)
    monkeypatch.setenv("NRC_DATA_DIR", str(tmp_path))
    return tmp_path


def test_a_data_set_of_images(folder):
    data = load_dataset("car_racing", split="blocked")
    assert (data.x_train.shape, data.x_test.shape) == ((40, 3, 32, 36), (8, 3, 32, 36))
    assert data.x_train.dtype == torch.uint8
    assert (data.input_dim, data.target_dim, data.images) == (3, 2, True)
    assert data.y_train.mean(0).abs().max() < 1e-6
    assert data.y_train.std(0, correction=0).tolist() == pytest.approx([1, 1], abs=1e-6)
    assert data.provenance["image_shape"] == [3, 32, 36]
    values = data.x_train.double()
    assert data.pixel_mean == pytest.approx(values.mean((0, 2, 3)).tolist())
    assert data.pixel_spread == pytest.approx(values.transpose(0, 1).flatten(1).std(1, correction=0).tolist())


def test_the_network_scales_training_images_to_zero_mean_and_unit_variance(folder):
    data = load_dataset("car_racing")
    network = build_model(RunConfig("car_racing", 1, 0.1, 0.0, architecture="resnet", depth=18, width=4), data)
    seen = []
    network.conv1.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network.eval()(data.x_train)
    assert seen[0].mean((0, 2, 3)).abs().max() < 1e-5
    assert seen[0].std((0, 2, 3), correction=0).tolist() == pytest.approx([1, 1, 1], abs=1e-5)


def test_rows_and_their_targets_stay_together(folder):
    """The brightness of an image is its first target, whatever was drawn and split."""
    data = load_dataset("car_racing", samples=30, seed=3)
    assert len(data.x_train) + len(data.x_test) == 30
    for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
        right = x[..., 18:].double().mean((1, 2, 3))
        assert np.corrcoef(right, y[:, 0])[0, 1] > 0.99


def test_no_episode_is_on_both_sides_of_a_blocked_split(folder):
    whole, blocked = load_dataset("car_racing", split="blocked"), 8
    assert len(whole.x_test) == blocked  # the last of six episodes


def test_images_without_episodes_have_no_blocked_split(folder):
    """Faces are in the order of their names, which begin with the age, so the last fifth is old."""
    table, manifest = read_prepared(folder / "car_racing")
    write_prepared(folder / "utkface", table, replace(manifest, name="utkface", groups=None))
    assert len(load_dataset("utkface", image_size=32).x_test) == 10
    with pytest.raises(ConfigError, match="between episodes, and 'utkface' has none: use split=random"):
        load_dataset("utkface", image_size=32, split="blocked")


def test_image_size_is_for_images(folder):
    with pytest.raises(ConfigError, match=r"image_size is an option of images, .*: got data set 'synthetic'"):
        load_dataset("synthetic", image_size=32)


def test_networks_for_the_wrong_kind_of_data_are_refused(folder):
    with pytest.raises(ConfigError, match="'car_racing' are images, for architecture 'resnet': got 'mlp'"):
        build_model(RunConfig("car_racing", 1, 0.1, 0.0), load_dataset("car_racing"))
    vectors = load_dataset("synthetic", samples=50)
    with pytest.raises(ConfigError, match="'synthetic' are vectors, for architecture 'mlp': got 'resnet'"):
        build_model(RunConfig("synthetic", 1, 0.1, 0.0, architecture="resnet", depth=18), vectors)
    with pytest.raises(ConfigError, match="'utkface' are images: use deep_nrc_resnet"):
        deep_nrc_mlp("utkface")
    with pytest.raises(ConfigError, match=r"a ResNet takes images, those of utkface, .*: got 'swimmer'"):
        deep_nrc_resnet("swimmer")


def test_experiments_on_images_have_the_papers_recipe():
    (face,) = deep_nrc_resnet("utkface")
    assert (face.architecture, face.depth, face.width, face.batch_size, face.epochs) == ("resnet", 34, 64, 512, 100)
    assert face.dataset_options == {"split": "random"}
    (drive,) = deep_nrc_resnet("car_racing", weight_decay=0.0, image_size=42)
    assert (drive.depth, drive.learning_rate, drive.weight_decay) == (18, 0.01, 0.0)
    assert drive.dataset_options == {"split": "blocked", "image_size": 42}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"architecture": "cnn"}, "architecture must be one of mlp, resnet: got 'cnn'"),
        ({"architecture": "resnet"}, "depth of a resnet must be 18 or 34: got 8"),
        ({"architecture": "resnet", "depth": 18, "bias": True}, "bias and init_scale are options of MLPs"),
        ({"head": "layernorm"}, "head is an option of ResNets"),
        ({"precision": "float16"}, "precision must be one of float32, bfloat16: got 'float16'"),
    ],
)
def test_configurations_that_are_no_network(values, message):
    with pytest.raises(ConfigError, match=message):
        RunConfig("car_racing", 1, 0.1, 0.0, **values)


def losses(folder, precision: str) -> list[float]:
    (config,) = deep_nrc_resnet("car_racing", width=4, epochs=6, batch_size=16, precision=precision)
    data = load_dataset("car_racing", **config.dataset_options)
    with reproducible_arithmetic():
        *_, (_, training) = train(config, data)
    assert next(training.model.parameters()).dtype == torch.float32
    return [row["train_mse"] for row in training.losses]


def test_mixed_precision_is_another_run_that_learns_too(folder):
    whole, mixed = losses(folder, "float32"), losses(folder, "bfloat16")
    assert whole != mixed
    assert whole[-1] < 0.7 * whole[0]
    assert mixed[-1] < 0.7 * mixed[0]


def test_networks_are_channels_last_and_images_stay_bytes(folder):
    (config,) = deep_nrc_resnet("car_racing", width=8)
    data = load_dataset("car_racing").to("cpu")
    assert data.x_train.dtype == torch.uint8
    model = build_model(config, data)
    assert model.layer1[0].conv1.weight.is_contiguous(memory_format=torch.channels_last)
