"""What is studied: activations, tasks, students, schedules, trainings, weights."""
