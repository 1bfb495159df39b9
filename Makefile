.PHONY: run run_worker run_api test simulate lint build bench

run:        ; @scripts/run
run_worker: ; @scripts/run_worker
run_api:    ; @scripts/run_api
test:       ; @scripts/test
simulate:   ; @scripts/simulate $(SEEDS)
lint:       ; @scripts/lint
build:      ; @scripts/build
bench:      ; @scripts/bench
