//! The tables as diesel sees them: portable column types only. A test compares them with `migrations/`.

diesel::table! {
    events (tenant_id, seq) {
        tenant_id -> Text,
        seq -> BigInt,
        id -> Text,
        at -> BigInt,
        kind -> Text,
        actor_kind -> Text,
        actor_id -> Text,
        client_id -> Nullable<Text>,
        user_id -> Nullable<Text>,
        object_id -> Nullable<Text>,
        evaluated -> Nullable<Bool>,
        request_id -> Text,
        data -> Text,
    }
}

diesel::table! {
    installation (id) {
        id -> BigInt,
        tenant_id -> Text,
        key_check -> Binary,
        sealed_pepper -> Binary,
        created_at -> BigInt,
        event_seq -> BigInt,
    }
}

diesel::table! {
    signing_keys (tenant_id, id) {
        tenant_id -> Text,
        id -> Text,
        algorithm -> Text,
        public_jwk -> Text,
        sealed -> Nullable<Binary>,
        state -> Text,
        created_at -> BigInt,
        active_from -> Nullable<BigInt>,
        retiring_from -> Nullable<BigInt>,
        ended_at -> Nullable<BigInt>,
        event_seq -> BigInt,
    }
}

diesel::table! {
    tenants (tenant_id) {
        tenant_id -> Text,
        name -> Text,
        created_at -> BigInt,
        suspended_at -> Nullable<BigInt>,
        event_seq -> BigInt,
    }
}

diesel::table! {
    directories (tenant_id, id) {
        tenant_id -> Text,
        id -> Text,
        name -> Text,
        created_at -> BigInt,
        users -> BigInt,
        look_alikes -> Text,
        event_seq -> BigInt,
    }
}

diesel::table! {
    clients (tenant_id, id) {
        tenant_id -> Text,
        id -> Text,
        directory_id -> Text,
        name -> Text,
        scopes -> Text,
        audiences -> Text,
        created_by -> Text,
        created_at -> BigInt,
        disabled_at -> Nullable<BigInt>,
        new_users_day -> BigInt,
        new_users -> BigInt,
        new_users_refused_day -> BigInt,
        offboardings_day -> BigInt,
        offboardings -> BigInt,
        offboardings_refused_day -> BigInt,
        event_seq -> BigInt,
    }
}

diesel::table! {
    client_secrets (tenant_id, id) {
        tenant_id -> Text,
        id -> Text,
        client_id -> Text,
        hash -> Binary,
        created_at -> BigInt,
        expires_at -> BigInt,
        revoked_at -> Nullable<BigInt>,
        event_seq -> BigInt,
    }
}

diesel::table! {
    client_keys (tenant_id, id) {
        tenant_id -> Text,
        id -> Text,
        client_id -> Text,
        jwk -> Nullable<Text>,
        service_account -> Nullable<Text>,
        created_at -> BigInt,
        removed_at -> Nullable<BigInt>,
        event_seq -> BigInt,
    }
}

diesel::table! {
    client_tokens (tenant_id, id) {
        tenant_id -> Text,
        id -> Text,
        client_id -> Text,
        key_id -> Text,
        jti_hash -> Binary,
        hash -> Binary,
        scopes -> Text,
        issued_at -> BigInt,
        expires_at -> BigInt,
        event_seq -> BigInt,
    }
}

diesel::table! {
    users (tenant_id, id) {
        tenant_id -> Text,
        id -> Text,
        directory_id -> Text,
        external_id -> Text,
        display_name -> Text,
        kind -> Text,
        labels -> Text,
        epoch -> BigInt,
        ever_enrolled -> Bool,
        ticket_only -> Bool,
        grace_until -> Nullable<BigInt>,
        created_at -> BigInt,
        offboarded_at -> Nullable<BigInt>,
        event_seq -> BigInt,
        external_id_folded -> Text,
    }
}

diesel::table! {
    user_groups (tenant_id, user_id, client_id) {
        tenant_id -> Text,
        user_id -> Text,
        client_id -> Text,
        groups -> Text,
        is_complete -> Bool,
        is_told -> Bool,
        held -> Nullable<Binary>,
        event_seq -> BigInt,
    }
}

diesel::table! {
    roles (tenant_id, user_id, role) {
        tenant_id -> Text,
        user_id -> Text,
        role -> Text,
        granted_at -> BigInt,
        override_id -> Nullable<Text>,
        revoked_at -> Nullable<BigInt>,
        event_seq -> BigInt,
    }
}

diesel::table! {
    policies (tenant_id, version) {
        tenant_id -> Text,
        version -> BigInt,
        document -> Text,
        created_by -> Text,
        created_at -> BigInt,
        override_id -> Nullable<Text>,
        event_seq -> BigInt,
    }
}

diesel::table! {
    factors (tenant_id, id) {
        tenant_id -> Text,
        id -> Text,
        user_id -> Text,
        kind -> Text,
        state -> Text,
        algorithm -> Text,
        digits -> BigInt,
        sealed -> Nullable<Binary>,
        created_at -> BigInt,
        activated_at -> Nullable<BigInt>,
        trust_since -> Nullable<BigInt>,
        is_bootstrap -> Bool,
        exposed_to -> Nullable<Text>,
        rotate_by -> Nullable<BigInt>,
        ended_at -> Nullable<BigInt>,
        end_authority -> Nullable<Text>,
        end_authority_id -> Nullable<Text>,
        event_seq -> BigInt,
    }
}

diesel::table! {
    factor_steps (tenant_id, factor_id) {
        tenant_id -> Text,
        factor_id -> Text,
        last_step -> BigInt,
        event_seq -> BigInt,
    }
}

diesel::table! {
    throttles (tenant_id, user_id, lane) {
        tenant_id -> Text,
        user_id -> Text,
        lane -> Text,
        level -> BigInt,
        updated_at -> BigInt,
        consecutive -> BigInt,
        blocked_until -> BigInt,
        event_seq -> BigInt,
    }
}

diesel::table! {
    challenges (tenant_id, id) {
        tenant_id -> Text,
        id -> Text,
        hash -> Binary,
        user_id -> Text,
        client_id -> Text,
        purpose -> Text,
        audiences -> Text,
        primary_method -> Text,
        primary_at -> BigInt,
        address -> Nullable<Text>,
        act_operation -> Nullable<Text>,
        act_digest -> Nullable<Binary>,
        recovery_code_id -> Nullable<Text>,
        created_at -> BigInt,
        expires_at -> BigInt,
        attempts -> BigInt,
        closed_at -> Nullable<BigInt>,
        event_seq -> BigInt,
    }
}

diesel::table! {
    enrollments (tenant_id, id) {
        tenant_id -> Text,
        id -> Text,
        hash -> Binary,
        user_id -> Text,
        client_id -> Nullable<Text>,
        factor_id -> Text,
        authority -> Text,
        authority_id -> Nullable<Text>,
        audiences -> Text,
        primary_method -> Text,
        primary_at -> BigInt,
        address -> Nullable<Text>,
        attempts -> BigInt,
        created_at -> BigInt,
        expires_at -> BigInt,
        closed_at -> Nullable<BigInt>,
        event_seq -> BigInt,
    }
}

diesel::table! {
    recovery_codes (tenant_id, id) {
        tenant_id -> Text,
        id -> Text,
        user_id -> Text,
        hash -> Binary,
        created_at -> BigInt,
        used_at -> Nullable<BigInt>,
        replaced_at -> Nullable<BigInt>,
        event_seq -> BigInt,
    }
}

diesel::table! {
    tickets (tenant_id, id) {
        tenant_id -> Text,
        id -> Text,
        user_id -> Text,
        mode -> Text,
        hash -> Binary,
        claim_code_hash -> Nullable<Binary>,
        attempts -> BigInt,
        created_by -> Text,
        override_id -> Nullable<Text>,
        created_at -> BigInt,
        expires_at -> BigInt,
        redeemed_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
        event_seq -> BigInt,
    }
}

diesel::table! {
    petitions (tenant_id, id) {
        tenant_id -> Text,
        id -> Text,
        kind -> Text,
        user_id -> Text,
        state -> Text,
        reason -> Text,
        facts -> Text,
        requested_by_kind -> Text,
        requested_by -> Text,
        created_at -> BigInt,
        decided_at -> Nullable<BigInt>,
        decided_by -> Nullable<Text>,
        override_id -> Nullable<Text>,
        event_seq -> BigInt,
    }
}

diesel::table! {
    overrides (tenant_id, id) {
        tenant_id -> Text,
        id -> Text,
        kind -> Text,
        user_id -> Nullable<Text>,
        facts -> Text,
        audiences -> Text,
        digest -> Binary,
        state -> Text,
        reason -> Text,
        ticket_reference -> Nullable<Text>,
        requested_by -> Text,
        requested_client_id -> Nullable<Text>,
        requested_epoch -> Nullable<BigInt>,
        requested_at -> BigInt,
        required_approvals -> BigInt,
        policy_version -> BigInt,
        petition_id -> Nullable<Text>,
        is_break_glass -> Bool,
        expires_at -> BigInt,
        approved_at -> Nullable<BigInt>,
        ended_at -> Nullable<BigInt>,
        ended_by -> Nullable<Text>,
        event_seq -> BigInt,
    }
}

diesel::table! {
    approvals (tenant_id, override_id, person_id) {
        tenant_id -> Text,
        override_id -> Text,
        person_id -> Text,
        digest -> Binary,
        client_id -> Text,
        epoch -> BigInt,
        at -> BigInt,
        event_seq -> BigInt,
    }
}

diesel::table! {
    issued_tokens (tenant_id, event_seq, audience) {
        tenant_id -> Text,
        id -> Text,
        user_id -> Text,
        client_id -> Text,
        factor_id -> Text,
        audience -> Text,
        epoch -> BigInt,
        issued_at -> BigInt,
        expires_at -> BigInt,
        event_seq -> BigInt,
    }
}

diesel::table! {
    schema_versions (version) {
        version -> BigInt,
        serves_from -> BigInt,
        added -> Text,
        dropped -> Text,
    }
}

diesel::allow_tables_to_appear_in_same_query! {
    approvals, challenges, client_keys, client_secrets, client_tokens, clients, directories,
    enrollments, events, factor_steps, factors, installation, issued_tokens, overrides, petitions,
    policies, recovery_codes, roles, schema_versions, signing_keys, tenants, throttles, tickets,
    user_groups, users,
}
