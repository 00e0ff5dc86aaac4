"""Who answers: models on this machine and behind endpoints, and the answers that they gave."""
