#!/bin/bash
#SBATCH --job-name=comfyfix
#SBATCH --array=0-3
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=2
#SBATCH --time=12:00:00
#SBATCH --output=comfyfix-%A_%a.log
# sbatch slurm.sh, in the folder of manifest.yaml, manifest.lock.yaml and workflows/. Which task of how
# many one is, comfyfix reads from Slurm's own variables. Each has an output/ of its own, in tasks/.
set -euo pipefail
set -a
. "$HOME/.config/comfyfix/secrets" # COMFYFIX_STORE_KEY=…, and tokens; mode 0600
set +a
task="$SLURM_SUBMIT_DIR/tasks/$SLURM_ARRAY_TASK_ID"
mkdir -p "$task"
cp -R "$SLURM_SUBMIT_DIR"/{manifest.yaml,manifest.lock.yaml,workflows} "$task"
cd "$task"
CI=true exec comfyfix --locked
