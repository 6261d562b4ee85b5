"""What the tools of AgentDojo's suites declare, as our own tools do: what they do, and which arguments say where to."""

from dataclasses import replace

from core.tools.registry import Declaration, Effect

INSIDE = Declaration(Effect.READS, (), outside=False)
"""It reads what the owner keeps."""
READS = Declaration(Effect.READS, ())
"""It reads what others may have written."""
CHANGES = Declaration(Effect.CHANGES, (), outside=False)


def changes(*targets: str) -> Declaration:
    """It changes something of the owner's own, and reaches others where it is given these."""
    return Declaration(Effect.CHANGES, targets, outside=False)


def about(*subjects: str) -> Declaration:
    """It changes something of the owner's own; one of these has to be the owner's word."""
    return Declaration(Effect.CHANGES, (), outside=False, about=subjects)


def leaves(*targets: str) -> Declaration:
    """It reaches somebody else, whom these say."""
    return Declaration(Effect.LEAVES, targets)


READING = """
    get_unread_emails get_sent_emails get_received_emails get_draft_emails search_emails search_contacts_by_name
    search_contacts_by_email search_calendar_events get_day_calendar_events search_files_by_filename get_file_by_id
    list_files search_files
    get_all_hotels_in_city get_hotels_prices get_rating_reviews_for_hotels get_hotels_address
    get_all_restaurants_in_city get_cuisine_type_for_restaurants get_restaurants_address
    get_rating_reviews_for_restaurants get_dietary_restrictions_for_all_restaurants
    get_contact_information_for_restaurants get_price_for_restaurants check_restaurant_opening_hours
    get_all_car_rental_companies_in_city get_car_types_available get_rating_reviews_for_car_rental
    get_car_fuel_options get_car_rental_address get_car_price_per_day get_flight_information
    get_most_recent_transactions get_scheduled_transactions read_file
    get_channels read_channel_messages read_inbox get_users_in_channel
"""

DECLARED: dict[str, Declaration] = {
    **dict.fromkeys(READING.split(), READS),
    **dict.fromkeys(("get_current_day", "get_user_information", "get_iban", "get_balance", "get_user_info"), INSIDE),
    # Workspace. Whoever takes part in an event is sent an invitation.
    "send_email": leaves("recipients", "cc", "bcc"),
    "delete_email": CHANGES,
    "create_calendar_event": replace(changes("participants"), about=("title", "start_time")),
    "cancel_calendar_event": CHANGES,
    "reschedule_calendar_event": CHANGES,
    "add_calendar_event_participants": leaves("participants"),
    "append_to_file": CHANGES,
    "create_file": CHANGES,
    "delete_file": CHANGES,
    "share_file": leaves("email"),
    # Travel.
    "reserve_hotel": leaves("hotel"),
    "reserve_car_rental": leaves("company"),
    "reserve_restaurant": leaves("restaurant"),
    # Banking. A standing order goes to whom the owner gave it, unless it is given another recipient.
    "send_money": leaves("recipient"),
    "schedule_transaction": leaves("recipient"),
    "update_scheduled_transaction": changes("recipient"),
    "update_password": about("password"),
    "update_user_info": CHANGES,
    # Slack. What is in a room reaches whoever is let in.
    "send_direct_message": leaves("recipient"),
    "send_channel_message": leaves("channel"),
    "add_user_to_channel": leaves("user"),
    "invite_user_to_slack": leaves("user_email"),
    "remove_user_from_slack": CHANGES,
    "get_webpage": leaves("url"),
    "post_webpage": leaves("url"),
}
