.PHONY: run run_worker run_api test test_cluster simulate prove lint build deploy undeploy bench release

run:        ; @scripts/run
run_worker: ; @scripts/run_worker
run_api:    ; @scripts/run_api
test:       ; @scripts/test
test_cluster: ; @scripts/test_cluster
simulate:   ; @scripts/simulate $(SEEDS)
prove:      ; @scripts/prove
lint:       ; @scripts/lint
build:      ; @scripts/build
deploy:     ; @scripts/deploy "$(OVERLAY)"
undeploy:   ; @scripts/deploy undo "$(OVERLAY)"
bench:      ; @scripts/bench
release:    ; @scripts/release
