"""Robot arms without learned models: types, limits, kinematics, safety, drivers, teleoperation."""
