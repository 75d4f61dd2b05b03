"""What stories of the Azure side start from: the owner's clients, and a storage account of the test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

    from tests.conftest import LiveSandbox
    from tests.contract.azure_fixtures import Azure
    from tests.contract.blob_stories import Account


@pytest.fixture
def azure(live: LiveSandbox) -> Azure:
    from tests.contract.azure_fixtures import owner

    return owner(live)


@pytest.fixture
def account(azure: Azure) -> Account:
    from tests.contract.blob_stories import Account

    return Account(azure)


@pytest.fixture
def box(account: Account) -> ContainerClient:
    return account.container()
