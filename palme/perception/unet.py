"""A small U-Net on RGB and base-frame coordinates: one feature vector per 4 x 4 pixels."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


def conv_block(c_in: int, c_out: int, stride: int = 1) -> nn.Sequential:
    """3 x 3 convolution, batch norm, ReLU: (B, c_in, H, W) -> (B, c_out, H / stride, W / stride)."""
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU(inplace=True)
    )


class Residual(nn.Module):
    """Two convolutions with a skip connection: (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv_block(channels, channels),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W)."""
        return F.relu(x + self.body(x))


class UNet(nn.Module):
    """(B, 6, H, W) -> (B, `width`, H/4, W/4); H and W are multiples of 16. 1.1 M parameters."""

    stride = 4

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv_block(6, 24, 2), conv_block(24, 48, 2))
        self.at4 = Residual(48)
        self.at8 = nn.Sequential(conv_block(48, 80, 2), Residual(80), Residual(80))
        self.at16 = nn.Sequential(conv_block(80, 128, 2), Residual(128), Residual(128))
        self.lateral16 = nn.Conv2d(128, 80, 1)
        self.up8 = conv_block(80, 80)
        self.lateral8 = nn.Conv2d(80, width, 1)
        self.lateral4 = nn.Conv2d(48, width, 1)
        self.up4 = conv_block(width, width)
        self.out = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H/4, W/4)."""
        x4 = self.at4(self.stem(x))  # (B, 48, H/4, W/4)
        x8 = self.at8(x4)  # (B, 80, H/8, W/8)
        x16 = self.at16(x8)  # (B, 128, H/16, W/16)
        x8 = self.up8(x8 + F.interpolate(self.lateral16(x16), scale_factor=2))
        x4 = self.up4(self.lateral4(x4) + F.interpolate(self.lateral8(x8), scale_factor=2))
        return self.out(x4)
