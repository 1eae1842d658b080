"""A small classifier whose features are the outputs of a multilayer perceptron, and the Jacobian of these features."""

from jaxtyping import Float
from torch import Tensor, nn

from nrc_core.networks.build import MLP


class FeatureClassifier(nn.Module):
    """A feature map with biases and a linear head.

    Args:
        inputs: d.
        width: units of the hidden layers of the map.
        depth: weight layers of the map.
        features: h, the outputs of the map, which have no activation.
        classes: K.

    Example:
        >>> model = FeatureClassifier(8, width=16, depth=3, features=4, classes=3)
        >>> model(torch.zeros(5, 8)).shape, model.map(torch.zeros(5, 8)).shape
        (torch.Size([5, 3]), torch.Size([5, 4]))
    """

    def __init__(self, inputs: int, *, width: int, depth: int, features: int, classes: int):
        super().__init__()
        self.map = MLP(inputs, width, depth, features, bias=True)
        self.head = nn.Linear(features, classes)

    def forward(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """Logits for inputs."""
        return self.head(self.map(x))

    def squared_jacobians(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """Squared Frobenius norm of the Jacobian of the map at each input; derivatives by the weights are possible.

        Where no unit is at its kink, the Jacobian is the product of the weights, with the rows of inactive units zero.
        The product begins with the last weight: it has the fewest rows, since features are fewer than inputs.
        """
        *hidden, last = (layer for layer in self.map.layers if isinstance(layer, nn.Linear))
        active = []
        for layer in hidden:
            x = layer(x)
            active.append(x > 0)
            x = x.relu()
        jacobians = last.weight.expand(len(x), -1, -1)  # (n, h, units), in the end (n, h, d)
        for layer, units in zip(reversed(hidden), reversed(active), strict=True):
            jacobians = jacobians * units.unsqueeze(1) @ layer.weight
        return jacobians.square().sum((1, 2))
