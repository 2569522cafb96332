"""Run in the judge's environment: the published client and chunk broker drive a server of ours.

usage: python openpi_drives.py PORT TICKS; prints one line of JSON.
"""

import json
import sys

import numpy as np
from openpi_client.action_chunk_broker import ActionChunkBroker
from openpi_client.websocket_client_policy import WebsocketClientPolicy

HOME = [0.0, -0.55, 0.0, -2.45, 0.0, 1.9, 0.7854]


def main(port, ticks):
    client = WebsocketClientPolicy("127.0.0.1", port)
    told = client.get_server_metadata()
    broker = ActionChunkBroker(client, told["action_horizon"])
    q, path, dones = np.array(HOME), [], []
    for _ in range(ticks):
        said = broker.infer(
            {
                "observation/exterior_image_1_left": np.full((176, 240, 3), 90, np.uint8),
                "observation/exterior_depth_1": np.full((176, 240), 0.9, np.float32),
                "observation/exterior_intrinsics_1": np.array(
                    [[312.0, 0, 119.5], [0, 312.0, 87.5], [0, 0, 1]]
                ),
                "observation/exterior_base_from_camera_1": np.array(
                    [[0.0, -1, 0, 0.5], [-1, 0, 0, 0], [0, 0, -1, 1.0], [0, 0, 0, 1]]
                ),
                "observation/joint_position": q,
                "observation/gripper_position": np.float64(0.0),
                "prompt": "put the red block in the blue bowl",
            }
        )
        action = said["actions"]
        q = action[:7].copy()
        path.append(action.tolist())
        dones.append(bool(said["done"]))
    try:
        client.infer({"prompt": "put the red block in the blue bowl"})
        refusal = ""
    except RuntimeError as error:
        refusal = str(error)
    print(
        json.dumps(
            {
                "metadata": told,
                "path": path,
                "dones": dones,
                "refusal": refusal,
                "timing": said["server_timing"],
                "numpy": np.__version__,
            }
        )
    )


main(int(sys.argv[1]), int(sys.argv[2]))
