from .config import ModelConfig as ModelConfig
from .construction import Model as Model
from .construction import build as build
from .convolutional import CNN as CNN
from .perceptron import MLP as MLP
from .residual import ResNet as ResNet
from .transformer import VisionTransformer as VisionTransformer
