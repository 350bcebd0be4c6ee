# Every command of the project. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

TARGET_DIR := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
FAIRWAY := $(TARGET_DIR)/debug/fairway
ENV ?= dev

.PHONY: help setup build up down status logs plan apply revert test lint bench generate

help: ## list the commands
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup:
	@scripts/setup

build: setup ## build the fairway binary (debug profile)
	@cargo build -p fairway

up: build ## run the shop in dev and follow its logs; Ctrl-C stops it (DETACH=1 returns when it is ready)
	@cd shop && exec $(FAIRWAY) up $(ENV) $(if $(DETACH),--detach)

down: build ## stop the shop in dev (PURGE=1 deletes its databases too)
	@cd shop && $(FAIRWAY) down $(ENV) $(if $(PURGE),--purge)

status: build ## what runs in dev
	@cd shop && $(FAIRWAY) status $(ENV)

logs: build ## follow the logs of the shop
	@cd shop && $(FAIRWAY) logs $(ENV) --follow

plan: build ## what a change would do to dev
	@cd shop && $(FAIRWAY) plan $(ENV)

apply: build ## do it
	@cd shop && $(FAIRWAY) apply $(ENV)

revert: build ## take the last release of dev back
	@cd shop && $(FAIRWAY) revert $(ENV)

test: ## everything: format, lints, architecture, unit tests and end-to-end stories
	@scripts/setup test
	@cargo xtask ci

lint: ## format, clippy, architecture (fast)
	@cargo xtask lint

bench: ## the benchmarks of docs/benchmarks.md (release profile, some minutes)
	@scripts/setup test
	@cargo xtask bench

generate: build ## write what is generated: JSON Schema, CLI reference
	@cargo xtask generate
